#pragma once
/*
 * A thin SQLite VFS over the system's that opens what exists for reading and refuses all else:
 * creating, writing, truncating, deleting, locking for writing.
 */
#define READER_VFS "dbhealth-reader"
int reader_vfs_register(void); /* 0 or negative errno; not the default VFS */
