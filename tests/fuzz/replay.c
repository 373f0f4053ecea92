/* Runs kept inputs through a harness, without libFuzzer: `replay-NAME FILE-OR-FOLDER ...`. */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define INPUT_MAX ((size_t)4 << 20)

static int
run_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *data = NULL, *exact = NULL;
	ssize_t n;

	if (fd < 0)
		return -errno;
	data = xcalloc(1, INPUT_MAX);
	n = read(fd, data, INPUT_MAX);
	if (n < 0)
		return -errno;
	/* A copy without a byte to spare, so that a sanitizer sees what reads beyond it. */
	exact = xcalloc(1, (size_t)n);
	memcpy(exact, data, (size_t)n);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(exact, (size_t)n);
	return 0;
}

static int
compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int
main(int argc, char **argv)
{
	size_t runs = 0;

	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++) {
		struct dirent **names = NULL;
		int n = scandir(argv[i], &names, NULL, compare), r = 0;

		if (n < 0) {
			r = run_file(argv[i]);
			runs += r == 0;
		}
		for (int k = 0; k < n; k++) {
			_cleanup_free_ char *path = xasprintf("%s/%s", argv[i], names[k]->d_name);

			if (*names[k]->d_name != '.' && r == 0) {
				r = run_file(path);
				runs += r == 0;
			}
			free(names[k]);
		}
		free(names);
		if (r < 0) {
			fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
			return 1;
		}
	}
	printf("%zu inputs\n", runs);
	return runs == 0;
}
