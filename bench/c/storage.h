/* The device and the page cache over the snapshot, as src/storage/device-queue.ts and page-cache.ts. */

struct reader {
  int64_t start[2], end[2], previousEnd, windowStart, windowEnd, marker;
  double ready[2], requestNs; /* CPU of the request that the latest read sent, if it sent one */
  int turn;
};
static uint32_t *cached, randomState;
static struct reader readers[2];
static double *slotFree, gateFree, deviceBytes, nsPerRead, nsPerByte;
static int nextSlot;

static void startStorage(size_t words) {
  cached = renew(cached, words, sizeof *cached);
  slotFree = renew(slotFree, p.queueDepth, sizeof *slotFree);
  randomState = p.randomState;
  gateFree = deviceBytes = nextSlot = 0;
  nsPerByte = 1e9 / p.bandwidthBytesPerS;
  nsPerRead = fmax(0, 1e9 / p.iopsLimit - PAGE * nsPerByte);
  for (int i = 0; i < 2; i++) readers[i] = (struct reader){.previousEnd = NONE, .windowEnd = NONE, .marker = NONE};
}

/* Math.round: halves go up. */
static double roundHalfUp(double x) {
  double below = floor(x);
  return x - below >= 0.5 ? below + 1 : below;
}

static double submit(int64_t bytes) {
  int slot = nextSlot;
  double admitted = fmax(now, gateFree);
  if (slotFree[slot] > admitted) {
    for (int i = 0; i < (int)p.queueDepth; i++) if (slotFree[i] < slotFree[slot]) slot = i;
    admitted = fmax(admitted, slotFree[slot]);
  }
  double gate = admitted + roundHalfUp(nsPerRead + (double)bytes * nsPerByte);
  randomState ^= randomState << 13;
  randomState ^= randomState >> 17;
  randomState ^= randomState << 5;
  double done = gate + latencyNs[randomState >> 20];
  gateFree = gate;
  deviceBytes += bytes;
  slotFree[slot] = done;
  nextSlot = slot + 1 == (int)p.queueDepth ? 0 : slot + 1;
  return done;
}

static void fetch(struct reader *r, int64_t start, int64_t end, double fill4kNs) {
  int64_t missing = 0;
  for (int64_t page = nextClear(cached, start, end); page < end;) {
    int64_t past = nextSet(cached, page, end);
    missing += countSet(hasData, page, past);
    page = nextClear(cached, past, end);
  }
  set(cached, start, end);
  if (missing == 0) return;
  r->start[r->turn] = start;
  r->end[r->turn] = end;
  r->ready[r->turn] = submit(missing * PAGE);
  r->requestNs = p.cpuPerReadNs + missing * fill4kNs;
  r->turn ^= 1;
}

static void openWindow(struct reader *r, int64_t start, int64_t size, int64_t marker) {
  int64_t end = start + size < pages ? start + size : pages;
  r->windowStart = start;
  r->windowEnd = end;
  r->marker = marker < end ? marker : NONE;
  fetch(r, start, end, p.readaheadFill4kNs);
}

static int64_t firstWindow(int64_t wanted, int64_t most) {
  int64_t size = 1;
  while (size < wanted) size *= 2;
  return 32 * size <= most ? size * 4 : 4 * size <= most ? size * 2 : most;
}

static int64_t nextWindow(int64_t size, int64_t most) {
  return 16 * size < most ? size * 4 : 2 * size <= most ? size * 2 : most;
}

/* read(2) of pages [first, end), all with data: when the bytes can be copied out. */
static double readBuffered(struct reader *r, int64_t first, int64_t end) {
  r->requestNs = 0;
  if (p.cacheWarm) return now;
  int64_t most = larger(1, p.readaheadPages), wanted = end - first;
  if (nextClear(cached, first, end) < end) {
    if (first == r->windowEnd) openWindow(r, first, larger(nextWindow(first - r->windowStart, most), wanted), end);
    else if (first == r->previousEnd || first == 0 || wanted > most)
      openWindow(r, first, larger(firstWindow(wanted, most), wanted), end);
    else fetch(r, first, end, p.cacheFill4kNs);
  } else if (first <= r->marker && r->marker < end && r->windowEnd < pages)
    openWindow(r, r->windowEnd, nextWindow(r->windowEnd - r->windowStart, most), r->windowEnd);
  r->previousEnd = end;
  double arrival = now;
  for (struct reader *other = readers; other < readers + 2; other++)
    for (int i = 0; i < 2; i++)
      if (other->ready[i] > arrival && other->start[i] < end && first < other->end[i]) arrival = other->ready[i];
  return arrival;
}
