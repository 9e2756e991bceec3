/*
 * A resolver in C: one thread that polls, reads messages, tests the bitmap, preads the page and installs it by UFFDIO_COPY,
 * while other threads touch pages in a given order and take the time of each access. What the engine in src/uffd/engine is
 * held against.
 *
 *   uffd-handler FILE PAGES_OFFSET PAGES ORDER VCPUS   prints ns from the first touch to the last, and the number of faults.
 *   ORDER: a file of 32-bit page numbers, a part of it for each thread.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, MESSAGES = 64, POLL_MS = 20, MOST_VCPUS = 64 };

static int uffd, file;
static off_t pagesOffset;
static uint8_t *memory;
static uint32_t *bitmap, *claimed, *order;
static long pages, accesses, vcpus, faults;
static volatile bool stop;
static pthread_barrier_t barrier;
static cpu_set_t allowed;
/* Accesses by the time that they took: 128 buckets for each power of two of ns, as src/core/latency-histogram.ts has them. */
static uint64_t latency[MOST_VCPUS][64 * 128];

static void check(bool good, const char *what) {
  if (good) return;
  perror(what);
  exit(1);
}

/* Binds the thread to the n-th CPU that the process may use, counted around, as the engine binds its own. */
static void bindTo(long n, const cpu_set_t *allowed) {
  cpu_set_t one;
  CPU_ZERO(&one);
  n %= CPU_COUNT(allowed);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, allowed) && n-- == 0) CPU_SET(cpu, &one);
  check(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long bucketOf(uint64_t ns) {
  int shift = ns < 256 ? 0 : 63 - 7 - __builtin_clzll(ns);
  return shift * 128 + (long)(ns >> shift);
}

static void answer(uint64_t address, uint8_t *buffer) {
  long page = (address - (uint64_t)memory) / PAGE;
  if (__atomic_fetch_or(&claimed[page >> 5], 1u << (page & 31), __ATOMIC_SEQ_CST) >> (page & 31) & 1) return;
  faults++;
  if (bitmap[page >> 5] >> (page & 31) & 1) {
    check(pread(file, buffer, PAGE, pagesOffset + page * PAGE) == PAGE, "pread");
    struct uffdio_copy copy = {.dst = (uint64_t)memory + page * PAGE, .src = (uint64_t)buffer, .len = PAGE};
    check(ioctl(uffd, UFFDIO_COPY, &copy) == 0, "UFFDIO_COPY");
  } else {
    struct uffdio_zeropage zero = {.range = {.start = (uint64_t)memory + page * PAGE, .len = PAGE}};
    check(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0, "UFFDIO_ZEROPAGE");
  }
}

static void *handle(void *unused) {
  struct uffd_msg messages[MESSAGES];
  uint8_t *buffer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  (void)unused;
  bindTo(0, &allowed);
  while (!stop) {
    struct pollfd wait = {.fd = uffd, .events = POLLIN};
    if (poll(&wait, 1, POLL_MS) <= 0) continue;
    ssize_t bytes = read(uffd, messages, sizeof messages);
    for (ssize_t i = 0; i < bytes / (ssize_t)sizeof messages[0]; i++) {
      if (messages[i].event == UFFD_EVENT_PAGEFAULT) answer(messages[i].arg.pagefault.address, buffer);
    }
  }
  return NULL;
}

static void *touch(void *argument) {
  long vcpu = (long)argument, first = accesses * vcpu / vcpus, end = accesses * (vcpu + 1) / vcpus;
  bindTo(vcpu, &allowed);
  pthread_barrier_wait(&barrier);
  int64_t before = now();
  for (long i = first; i < end; i++) {
    *(volatile uint8_t *)(memory + (size_t)order[i] * PAGE);
    int64_t after = now();
    latency[vcpu][bucketOf(after - before)]++;
    before = after;
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  file = open(argv[1], O_RDONLY);
  pagesOffset = atoll(argv[2]);
  pages = atol(argv[3]);
  vcpus = atol(argv[6]);
  check(file >= 0 && vcpus >= 1 && vcpus <= MOST_VCPUS, argv[1]);
  bitmap = calloc(pages / 32 + 1, 4);
  claimed = calloc(pages / 32 + 1, 4);
  int bits = open(argv[4], O_RDONLY), list = open(argv[5], O_RDONLY);
  check(read(bits, bitmap, (pages + 31) / 32 * 4) > 0, argv[4]);
  accesses = lseek(list, 0, SEEK_END) / 4;
  order = malloc(accesses * 4);
  check(pread(list, order, accesses * 4, 0) == accesses * 4, argv[5]);
  memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
  uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  check(uffd >= 0, "userfaultfd");
  struct uffdio_api api = {.api = UFFD_API};
  check(ioctl(uffd, UFFDIO_API, &api) == 0, "UFFDIO_API");
  struct uffdio_register range = {.range = {.start = (uint64_t)memory, .len = pages * PAGE},
                                  .mode = UFFDIO_REGISTER_MODE_MISSING};
  check(ioctl(uffd, UFFDIO_REGISTER, &range) == 0, "UFFDIO_REGISTER");
  check(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
  pthread_t handler, threads[MOST_VCPUS];
  pthread_barrier_init(&barrier, NULL, vcpus + 1);
  check(pthread_create(&handler, NULL, handle, NULL) == 0, "pthread_create");
  for (long i = 0; i < vcpus; i++) check(pthread_create(&threads[i], NULL, touch, (void *)i) == 0, "pthread_create");
  pthread_barrier_wait(&barrier);
  int64_t start = now();
  for (long i = 0; i < vcpus; i++) pthread_join(threads[i], NULL);
  int64_t took = now() - start;
  stop = true;
  pthread_join(handler, NULL);
  printf("{\"tookNs\": %lld, \"faults\": %ld}\n", (long long)took, faults);
  return 0;
}
