/* What all parts of the twin share: its input, memory that is new in each round, and bitmaps. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

enum { PAGE = 4096, QUANTILES = 4096, NONE = -1, ABSENT = -2 };

static struct parameters {
  double cores, runQueues, idleSearch, migrationCostNs, threadAlonePerMille, threadAllPerMille, kernelBesidePerMille, vcpus, accesses, pages, workers, direct, readBytes, zeroBytes, yieldToFaults, rateBytesPerS, resumeNs,
      cacheWarm, randomState, iopsLimit, bandwidthBytesPerS, queueDepth, haltPollNs, idleWakeNs, cpuPerReadNs, cpuPerRead4kNs, cacheFill4kNs,
      readaheadFill4kNs, readaheadPages, faultTrapNs, handlerWakeLocalNs, handlerWakeRemoteNs, busyWakeNs, standBackNs, tlbInterruptNs, messageReadNs, runNs,
      wakeCallLocalNs, wakeCallRemoteNs, vcpuWakeLocalNs, vcpuWakeRemoteNs, copyCallNs, copyAnon4kNs, zeroCallNs, zeroAnon4kNs, readCallNs, read4kNs, anonWriteFaultNs;
} p;
static double *latencyNs;
static uint32_t *hasData, *starts, *hostPage, *thinkNs;
static uint8_t *flags;
static int32_t V; /* vCPUs; the handler is actor V, the worker V + 1 */
static int64_t pages;

/* Zeroed memory in place of what the round before had. */
static void *renew(void *old, size_t count, size_t size) {
  free(old);
  void *memory = calloc(count + 1, size);
  if (memory == NULL) exit(1);
  return memory;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static bool test(const uint32_t *bits, int64_t i) { return bits[i >> 5] >> (i & 31) & 1; }

static void set(uint32_t *bits, int64_t first, int64_t end) {
  for (int64_t i = first; i < end;) {
    if ((i & 31) == 0 && end - i >= 32) bits[i >> 5] = UINT32_MAX, i += 32;
    else bits[i >> 5] |= 1u << (i & 31), i++;
  }
}

/* The first bit in [from, end) that is clear (flip all ones) or set (flip 0), or `end`. */
static int64_t scan(const uint32_t *bits, int64_t from, int64_t end, uint32_t flip) {
  if (from >= end) return end;
  int64_t word = from >> 5, last = (end - 1) >> 5;
  uint32_t found = (bits[word] ^ flip) & UINT32_MAX << (from & 31);
  while (found == 0) {
    if (++word > last) return end;
    found = bits[word] ^ flip;
  }
  int64_t i = word * 32 + __builtin_ctz(found);
  return i < end ? i : end;
}

static int64_t nextSet(const uint32_t *bits, int64_t from, int64_t end) { return scan(bits, from, end, 0); }
static int64_t nextClear(const uint32_t *bits, int64_t from, int64_t end) { return scan(bits, from, end, UINT32_MAX); }
