// Counts the calls that change files below one folder, and makes chosen ones fail. Loaded with LD_PRELOAD.
//
// FAULT_DIR    absolute path of the folder; calls on other files are passed on and not counted
// FAULT_LOG    file that gets a line per counted call: number, class, name of the call, bytes, file, and what was done
// FAULT_KIND   what strikes at the call with number FAULT_AT:
//                short    a write writes half of its bytes
//                torn     a write writes half of its bytes, and the process ends at once with status 99
//                eio      the call fails with EIO and does nothing
//                enospc   the call fails with ENOSPC and does nothing
//                power    the machine loses power: of all that was written and not synchronised, pages are taken back
//                         as FAULT_SEED says, and the process ends at once with status 99
// FAULT_CLASS  which calls are counted for FAULT_AT: write, sync, or all (the default)
// FAULT_MATCH  only calls on files whose path contains this are counted for FAULT_AT, and delayed
// FAULT_AFTER  calls are counted for FAULT_AT once this file exists
// FAULT_AT     from 1; 0: nothing strikes, calls are logged only
// FAULT_LAST   last call that is struck, FAULT_AT by default; 0: all from FAULT_AT on
// FAULT_SYNC_DELAY_MS  every synchronisation takes this much longer
//
// Writes through descriptors with O_DSYNC or O_SYNC count as synchronised when they return, as the system promises.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define ENDED_STATUS 99

enum class { WRITE = 1, SYNC = 2, OTHER = 4 };
enum verdict { PASS, HALF, FAIL };

// One page (or a part of one) as it was before a write that is not synchronised yet.
struct before {
  struct before *next;
  dev_t device;
  ino_t inode;
  off_t offset;
  size_t length;
  char path[PATH_MAX];
  unsigned char bytes[PAGE];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ready, log_fd = -1, classes = WRITE | SYNC | OTHER;
static const char *folder, *kind, *match, *after;
static size_t folder_length;
static long strike_at, strike_last, delay_ms, counted;
static unsigned long seed;
static struct before *unsynced; // newest first

static long number_of(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text && *text ? atol(text) : otherwise;
}

// The constructors of other libraries may write before ours would have run, so this happens at the first call.
static void prepare(void) {
  if (ready) return;
  ready = 1;
  folder = getenv("FAULT_DIR");
  if (!folder || !*folder) return;
  folder_length = strlen(folder);
  kind = getenv("FAULT_KIND");
  match = getenv("FAULT_MATCH");
  after = getenv("FAULT_AFTER");
  strike_at = number_of("FAULT_AT", 0);
  strike_last = number_of("FAULT_LAST", strike_at);
  if (strike_last == 0) strike_last = LONG_MAX;
  delay_ms = number_of("FAULT_SYNC_DELAY_MS", 0);
  seed = (unsigned long)number_of("FAULT_SEED", 1);
  const char *class = getenv("FAULT_CLASS");
  if (class && !strcmp(class, "write")) classes = WRITE;
  if (class && !strcmp(class, "sync")) classes = SYNC;
  const char *log = getenv("FAULT_LOG");
  if (log && *log) log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int below_folder(const char *path) {
  return folder && !strncmp(path, folder, folder_length) && (path[folder_length] == '/' || !path[folder_length]);
}

// The file behind a descriptor, where it lies below the folder.
static int path_of(int fd, char path[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return below_folder(path);
}

// The file that is mapped at an address, where it lies below the folder.
static int path_at(const void *address, char path[PATH_MAX]) {
  FILE *maps = fopen("/proc/self/maps", "re");
  if (!maps) return 0;
  char line[PATH_MAX + 128];
  int found = 0;
  while (!found && fgets(line, sizeof line, maps)) {
    unsigned long from, to;
    int name = 0;
    if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &from, &to, &name) < 2 || !name) continue;
    if ((unsigned long)address < from || (unsigned long)address >= to) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(path, PATH_MAX, "%s", line + name);
    found = 1;
  }
  fclose(maps);
  return found && below_folder(path);
}

static void say(const char *format, ...) {
  if (log_fd < 0) return;
  char line[PATH_MAX + 256];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(line, sizeof line, format, values);
  va_end(values);
  if (length > 0) syscall(SYS_write, log_fd, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

static unsigned long next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

// Takes pages back that no synchronisation has covered, and ends the process: nothing else may happen after that.
static void lose_power(void) {
  if (!seed) seed = 1;
  for (int warm = 0; warm < 8; warm++) next_random();
  // Half of the time all that can be lost is lost, otherwise any part of it.
  int everything = next_random() % 2;
  long lost = 0, kept = 0;
  for (struct before *one = unsynced; one; one = one->next) {
    if (!everything && next_random() % 2) {
      kept++;
      continue;
    }
    int fd = (int)syscall(SYS_openat, AT_FDCWD, one->path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) continue;
    syscall(SYS_pwrite64, fd, one->bytes, one->length, one->offset);
    syscall(SYS_close, fd);
    lost++;
  }
  say("power %ld pages lost, %ld kept\n", lost, kept);
  syscall(SYS_exit_group, ENDED_STATUS);
}

// Remembers what a write is about to cover. A file's new end is not taken back: its bytes become zeros.
static void remember(int fd, const char *path, off_t offset, size_t length) {
  struct stat status;
  if (fstat(fd, &status)) return;
  int reader = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
  if (reader < 0) return;
  while (length > 0) {
    size_t part = PAGE - (size_t)(offset % PAGE);
    if (part > length) part = length;
    struct before *one = calloc(1, sizeof *one);
    if (!one) break;
    one->device = status.st_dev, one->inode = status.st_ino, one->offset = offset, one->length = part;
    snprintf(one->path, sizeof one->path, "%s", path);
    if (syscall(SYS_pread64, reader, one->bytes, part, offset) < 0) {
      free(one);
      break;
    }
    one->next = unsynced;
    unsynced = one;
    offset += (off_t)part, length -= part;
  }
  syscall(SYS_close, reader);
}

// What was remembered of a file is on disk now: all of it, or the pages from `offset` on.
static void forget(int fd, off_t offset, size_t length) {
  struct stat status;
  if (fstat(fd, &status)) return;
  off_t from = offset - offset % PAGE, to = length ? offset + (off_t)length + PAGE - 1 : LONG_MAX;
  for (struct before **place = &unsynced; *place;) {
    struct before *one = *place;
    if (one->device == status.st_dev && one->inode == status.st_ino && one->offset < to
        && one->offset + (off_t)one->length > from) {
      *place = one->next;
      free(one);
    } else place = &one->next;
  }
}

// Whether what strikes halves a write, which takes two bytes at least.
static int halves(void) { return kind && (!strcmp(kind, "short") || !strcmp(kind, "torn")); }

// Counts one call and says what shall become of it; `lock` is held from here until `done`.
static enum verdict strike(enum class class, const char *name, const char *path, size_t bytes) {
  int chosen = (classes & class) && (!match || strstr(path, match)) && !(bytes < 2 && halves());
  if (chosen && after) {
    chosen = !access(after, F_OK);
    if (chosen) after = NULL;
  }
  long number = chosen ? ++counted : 0;
  int struck = chosen && strike_at && number >= strike_at && number <= strike_last && kind;
  say("%ld %s %s %zu %s%s%s\n", number, class == WRITE ? "write" : class == SYNC ? "sync" : "other", name, bytes, path,
      struck ? " STRUCK " : "", struck ? kind : "");
  if (!struck) return PASS;
  if (!strcmp(kind, "power")) lose_power();
  if (halves()) return class == WRITE ? HALF : PASS;
  errno = !strcmp(kind, "enospc") ? ENOSPC : EIO;
  return FAIL;
}

static void enter(void) {
  pthread_mutex_lock(&lock);
  prepare();
}

static ssize_t leave(ssize_t answer) {
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return answer;
}

static int losing_power(void) { return kind && !strcmp(kind, "power"); }

// All writes come down to this one; without an offset it is the file's own.
static ssize_t write_all(const char *name, int fd, const struct iovec *parts, int count, int has_offset, off_t offset) {
  enter();
  char path[PATH_MAX];
  size_t bytes = 0;
  for (int index = 0; index < count; index++) bytes += parts[index].iov_len;
  int ours = folder && path_of(fd, path);
  enum verdict verdict = ours ? strike(WRITE, name, path, bytes) : PASS;
  if (verdict == FAIL) return leave(-1);
  if (!ours) pthread_mutex_unlock(&lock); // A pipe may wait for its reader.
  off_t place = has_offset ? offset : lseek(fd, 0, SEEK_CUR);
  int remembered = ours && losing_power() && place >= 0;
  if (remembered) remember(fd, path, place, bytes);
  ssize_t answer;
  if (verdict == HALF) {
    // The first half of the bytes, as one piece.
    size_t half = bytes / 2, have = 0;
    char *piece = malloc(half);
    if (!piece) abort();
    for (int index = 0; index < count && have < half; index++) {
      size_t part = parts[index].iov_len < half - have ? parts[index].iov_len : half - have;
      memcpy(piece + have, parts[index].iov_base, part);
      have += part;
    }
    answer = has_offset ? syscall(SYS_pwrite64, fd, piece, half, offset) : syscall(SYS_write, fd, piece, half);
    free(piece);
    if (!strcmp(kind, "torn")) syscall(SYS_exit_group, ENDED_STATUS);
  } else if (has_offset) {
    // On 64-bit systems the offset is in one register, and the second is nothing.
    answer = syscall(SYS_pwritev, fd, parts, count, offset, 0L);
  } else {
    answer = syscall(SYS_writev, fd, parts, count);
  }
  if (!ours) return answer;
  int flags = fcntl(fd, F_GETFL);
  if (remembered && answer > 0 && flags >= 0 && (flags & (O_DSYNC | O_SYNC))) forget(fd, place, (size_t)answer);
  return leave(answer);
}

ssize_t write(int fd, const void *bytes, size_t count) {
  struct iovec part = {(void *)bytes, count};
  return write_all("write", fd, &part, 1, 0, 0);
}

ssize_t writev(int fd, const struct iovec *parts, int count) { return write_all("writev", fd, parts, count, 0, 0); }

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  struct iovec part = {(void *)bytes, count};
  return write_all("pwrite", fd, &part, 1, 1, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) { return pwrite64(fd, bytes, count, offset); }

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  return write_all("pwritev", fd, parts, count, 1, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  return pwritev64(fd, parts, count, offset);
}

// The slow disk of FAULT_SYNC_DELAY_MS; others go on meanwhile.
static void delay(const char *path) {
  if (!delay_ms || (match && !strstr(path, match))) return;
  struct timespec time = {delay_ms / 1000, delay_ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static int sync_file(const char *name, long call, int fd) {
  enter();
  char path[PATH_MAX];
  if (!folder || !path_of(fd, path)) {
    leave(0);
    return (int)syscall(call, fd);
  }
  if (strike(SYNC, name, path, 0) == FAIL) return (int)leave(-1);
  int answer = (int)syscall(call, fd);
  if (!answer && losing_power()) forget(fd, 0, 0);
  leave(0);
  delay(path);
  return answer;
}

int fsync(int fd) { return sync_file("fsync", SYS_fsync, fd); }
int fdatasync(int fd) { return sync_file("fdatasync", SYS_fdatasync, fd); }

int msync(void *address, size_t length, int flags) {
  enter();
  char path[PATH_MAX];
  enum verdict verdict = folder && path_at(address, path) ? strike(SYNC, "msync", path, 0) : PASS;
  leave(0);
  if (verdict == FAIL) {
    errno = kind && !strcmp(kind, "enospc") ? ENOSPC : EIO;
    return -1;
  }
  return (int)syscall(SYS_msync, address, length, flags);
}

int ftruncate64(int fd, off64_t length) {
  enter();
  char path[PATH_MAX];
  if (folder && path_of(fd, path) && strike(OTHER, "ftruncate", path, 0) == FAIL) return (int)leave(-1);
  leave(0);
  return (int)syscall(SYS_ftruncate, fd, length);
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  enter();
  char path[PATH_MAX];
  if (folder && path_of(fd, path) && strike(OTHER, "fallocate", path, 0) == FAIL) return (int)leave(-1);
  leave(0);
  return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int fallocate(int fd, int mode, off_t offset, off_t length) { return fallocate64(fd, mode, offset, length); }

int rename(const char *from, const char *to) {
  enter();
  char path[PATH_MAX];
  // The new name does not exist yet, its folder does.
  snprintf(path, sizeof path, "%s", to);
  if (folder && below_folder(path) && strike(OTHER, "rename", path, 0) == FAIL) return (int)leave(-1);
  leave(0);
  return (int)syscall(SYS_rename, from, to);
}
