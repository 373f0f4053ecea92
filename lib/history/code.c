/*
 * Samples come at steady intervals and change little: times are kept as differences of differences,
 * whole numbers as differences, others as a float against the one before it, byte by byte of all of
 * them, so that the compressor behind finds runs of zeros.
 */
#include "history/code.h"
#include <float.h>
#include <math.h>

#define EXACT 9007199254740992.0 /* 2^53: whole numbers up to here are doubles */
enum value_class { VALUES_WHOLE = 0, VALUES_FLOAT, VALUES_DOUBLE };

void
code_number(struct str *s, uint64_t v)
{
	char bytes[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		bytes[n++] = (char)(v | 0x80);
	bytes[n++] = (char)v;
	str_addn(s, bytes, n);
}

void
code_signed(struct str *s, int64_t v)
{
	code_number(s, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

void
code_text(struct str *s, const char *text)
{
	size_t n = strlen(text);

	code_number(s, n);
	str_addn(s, text, n);
}

static uint64_t
bits_of(double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof(u));
	return u;
}

static double
double_of(uint64_t u)
{
	double v;

	memcpy(&v, &u, sizeof(v));
	return v;
}

static uint32_t
float_bits(double v)
{
	float f = (float)v;
	uint32_t u;

	memcpy(&u, &f, sizeof(u));
	return u;
}

static double
float_of(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return (double)f;
}

void
code_double(struct str *s, double v)
{
	uint64_t u = bits_of(v);

	for (unsigned i = 0; i < 8; i++)
		str_addc(s, (char)(u >> (8 * i)));
}

void
code_doubles(struct str *s, const double *v, size_t n)
{
	for (unsigned shift = 0; shift < 64; shift += 8)
		for (size_t i = 0; i < n; i++)
			str_addc(s, (char)(bits_of(v[i]) >> shift));
}

/* Wraps where a clock jumped beyond all bounds, and back again when it is read. */
void
code_times(struct str *s, const int64_t *t, size_t n)
{
	uint64_t last = 0, step = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t now = (uint64_t)t[i] - last;

		code_signed(s, (int64_t)(now - step));
		step = i > 0 ? now : 0;
		last = (uint64_t)t[i];
	}
}

static enum value_class
class_of(const double *v, size_t n)
{
	bool whole = true, small = true;

	for (size_t i = 0; i < n; i++) {
		double size = fabs(v[i]);

		whole = whole && size <= EXACT && v[i] == nearbyint(v[i]);
		small = small && (v[i] == 0 || (size >= (double)FLT_MIN && size < (double)FLT_MAX));
	}
	return whole ? VALUES_WHOLE : small ? VALUES_FLOAT : VALUES_DOUBLE;
}

static void
code_floats(struct str *s, const double *v, size_t n)
{
	for (unsigned shift = 0; shift < 32; shift += 8) {
		uint32_t last = 0;

		for (size_t i = 0; i < n; i++) {
			uint32_t now = float_bits(v[i]);

			str_addc(s, (char)((now ^ last) >> shift));
			last = now;
		}
	}
}

void
code_values(struct str *s, const double *v, size_t n)
{
	enum value_class class = class_of(v, n);
	int64_t last = 0;

	str_addc(s, (char)class);
	switch (class) {
	case VALUES_WHOLE:
		for (size_t i = 0; i < n; i++) {
			code_signed(s, (int64_t)v[i] - last);
			last = (int64_t)v[i];
		}
		break;
	case VALUES_FLOAT:
		code_floats(s, v, n);
		break;
	case VALUES_DOUBLE:
		code_doubles(s, v, n);
		break;
	}
}

/* ---- reading ---- */

struct decode
decode_part(struct decode *d, size_t n)
{
	struct decode part = { d->at, n, false };

	if (d->bad || d->left < n) {
		d->bad = true;
		d->left = 0;
		return (struct decode){ .at = d->at, .bad = true };
	}
	d->at += n;
	d->left -= n;
	return part;
}

static uint8_t
byte_of(struct decode *d)
{
	if (d->bad || d->left == 0) {
		d->bad = true;
		return 0;
	}
	d->left--;
	return (uint8_t)*d->at++;
}

uint64_t
decode_number(struct decode *d)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = byte_of(d);

		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return d->bad ? 0 : v;
	}
	d->bad = true;
	return 0;
}

int64_t
decode_signed(struct decode *d)
{
	uint64_t u = decode_number(d);

	return (int64_t)((u >> 1) ^ (u & 1 ? UINT64_MAX : 0));
}

char *
decode_text(struct decode *d, size_t max)
{
	uint64_t n = decode_number(d);
	struct decode part;

	if (n > max || n > d->left) {
		d->bad = true;
		return NULL;
	}
	part = decode_part(d, n);
	if (part.bad || memchr(part.at, 0, part.left)) {
		d->bad = true;
		return NULL;
	}
	return xstrndup(part.at, part.left);
}

double
decode_double(struct decode *d)
{
	uint64_t u = 0;

	for (unsigned i = 0; i < 8; i++)
		u |= (uint64_t)byte_of(d) << (8 * i);
	return double_of(u);
}

void
decode_doubles(struct decode *d, double *v, size_t n)
{
	struct decode part = decode_part(d, n * 8);

	for (size_t i = 0; i < n; i++) {
		uint64_t u = 0;

		for (unsigned b = 0; b < 8 && !part.bad; b++)
			u |= (uint64_t)(uint8_t)part.at[b * n + i] << (8 * b);
		v[i] = double_of(u);
	}
}

void
decode_times(struct decode *d, int64_t *t, size_t n)
{
	uint64_t last = 0, step = 0;

	for (size_t i = 0; i < n; i++) {
		step += (uint64_t)decode_signed(d);
		last += step;
		t[i] = (int64_t)last;
		if (i == 0)
			step = 0;
	}
}

static void
decode_floats(struct decode *d, double *v, size_t n)
{
	struct decode part = decode_part(d, n * 4);
	uint32_t last = 0;

	for (size_t i = 0; i < n; i++) {
		for (unsigned b = 0; b < 4 && !part.bad; b++)
			last ^= (uint32_t)(uint8_t)part.at[b * n + i] << (8 * b);
		v[i] = float_of(last);
	}
}

void
decode_values(struct decode *d, double *v, size_t n)
{
	uint8_t class = byte_of(d);
	uint64_t last = 0;

	if (class == VALUES_FLOAT) {
		decode_floats(d, v, n);
	} else if (class == VALUES_DOUBLE) {
		decode_doubles(d, v, n);
	} else {
		d->bad = d->bad || class != VALUES_WHOLE;
		for (size_t i = 0; i < n; i++) {
			last += (uint64_t)decode_signed(d);
			v[i] = (double)(int64_t)last;
		}
	}
}
