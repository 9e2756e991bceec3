/* The device and the page cache over the snapshot, as src/storage/device-queue.ts, page-cache.ts and readahead.ts. */

struct reader {
  int64_t previousEnd, start, size, behindMarker;
  double requestNs; /* CPU of the requests that the latest read sent */
};
struct fetch { int64_t start, end; double ready; };
static uint32_t *cached, *markers, randomState;
static struct reader readers[2];
static struct fetch *inFlight;
static int flying, flyingRoom;
static double *slotFree, gateFree, idleFrom, pollNs, deviceBytes, nsPerRead, nsPerByte;
static int nextSlot;

static void startStorage(size_t words) {
  cached = renew(cached, words, sizeof *cached);
  markers = renew(markers, words, sizeof *markers);
  flying = 0;
  slotFree = renew(slotFree, p.queueDepth, sizeof *slotFree);
  randomState = p.randomState;
  gateFree = deviceBytes = nextSlot = pollNs = 0;
  idleFrom = -INFINITY;
  nsPerByte = 1e9 / p.bandwidthBytesPerS;
  nsPerRead = fmax(0, 1e9 / p.iopsLimit - PAGE * nsPerByte);
  for (int i = 0; i < 2; i++) readers[i] = (struct reader){.previousEnd = NONE - 1};
}

/* Math.round: halves go up. */
static double roundHalfUp(double x) {
  double below = floor(x);
  return x - below >= 0.5 ? below + 1 : below;
}

/* src/storage/halt-poll.ts. */
static double endHalt(double haltNs) {
  if (p.haltPollNs == 0 || p.idleWakeNs == 0 || haltNs <= pollNs) return 0;
  if (haltNs + p.idleWakeNs > p.haltPollNs) pollNs = pollNs / 2 < 10000 ? 0 : pollNs / 2;
  else pollNs = fmin(p.haltPollNs, fmax(10000, 2 * pollNs));
  return p.idleWakeNs;
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
  if (now > idleFrom) done += endHalt(done - idleFrom);
  gateFree = gate;
  idleFrom = fmax(idleFrom, done);
  deviceBytes += bytes;
  slotFree[slot] = done;
  nextSlot = slot + 1 == (int)p.queueDepth ? 0 : slot + 1;
  return done;
}

/* A request for each run of pages that are missing and have data. */
static void fetch(struct reader *r, int64_t start, int64_t end, double fill4kNs) {
  for (int64_t page = nextClear(cached, start, end); page < end;) {
    int64_t past = nextSet(cached, page, end);
    for (int64_t first = nextSet(hasData, page, past); first < past;) {
      int64_t behind = nextClear(hasData, first, past);
      if (flying == flyingRoom) {
        flyingRoom = 2 * flyingRoom + 8;
        inFlight = realloc(inFlight, flyingRoom * sizeof *inFlight);
        if (inFlight == NULL) exit(1);
      }
      inFlight[flying++] = (struct fetch){.start = first, .end = behind, .ready = submit((behind - first) * PAGE)};
      r->requestNs += p.cpuPerReadNs + (behind - first) * fill4kNs;
      first = nextSet(hasData, behind, past);
    }
    page = nextClear(cached, past, end);
  }
  set(cached, start, end);
}

static void openWindow(struct reader *r, int64_t start, int64_t size, int64_t behindMarker, double fill4kNs) {
  int64_t end = start + size < pages ? start + size : pages, marker = start + size - behindMarker;
  r->start = start;
  r->size = size;
  r->behindMarker = behindMarker;
  if (start >= end) return;
  if (marker < end && !test(cached, marker)) set(markers, marker, marker + 1);
  fetch(r, start, end, fill4kNs);
}

static int64_t firstWindow(int64_t wanted, int64_t most) {
  int64_t size = 1;
  while (size < wanted) size *= 2;
  return 32 * size <= most ? size * 4 : 4 * size <= most ? size * 2 : most;
}

static int64_t nextWindow(int64_t size, int64_t most) {
  return 16 * size < most ? size * 4 : 2 * size <= most ? size * 2 : most;
}

/* read(2) wants [page, end), and page is missing. */
static void readMissing(struct reader *r, int64_t page, int64_t end, int64_t most) {
  int64_t wanted = end - page, before = 0;
  while (before < most && before < page && test(cached, page - before - 1)) before++;
  if (page == 0 || wanted > most || page == r->previousEnd || page == r->previousEnd + 1) {
    int64_t size = larger(firstWindow(wanted, most), wanted);
    openWindow(r, page, size, size > wanted ? size - wanted : size / 2, p.cacheFill4kNs);
  } else if (before > wanted) openWindow(r, page, before + wanted < most ? before + wanted : most, 1, p.cacheFill4kNs);
  else fetch(r, page, end, p.cacheFill4kNs);
}

/* Who reads up to end touches a marker. */
static void readAhead(struct reader *r, int64_t marker, int64_t end, int64_t most) {
  int64_t start = r->start + r->size, size = larger(r->size, nextWindow(r->size, most));
  if (marker != start - r->behindMarker) {
    start = nextClear(cached, marker + 1, marker + 1 + most < pages ? marker + 1 + most : pages);
    if (start == pages || start - marker > most) return;
    size = nextWindow(start - marker + end - marker, most);
  }
  openWindow(r, start, size, size, p.readaheadFill4kNs);
}

/* read(2) of pages [first, end), all with data: when the bytes can be copied out. */
static double readBuffered(struct reader *r, int64_t first, int64_t end) {
  r->requestNs = 0;
  if (p.cacheWarm) return now;
  int64_t most = larger(1, p.readaheadPages);
  for (int64_t page = first; page < end; page++) {
    if (!test(cached, page)) readMissing(r, page, end, most);
    if (!test(markers, page)) continue;
    markers[page / 32] &= ~(1u << page % 32);
    readAhead(r, page, end, most);
  }
  r->previousEnd = end;
  double arrival = now;
  for (int i = flying - 1; i >= 0; i--) {
    struct fetch f = inFlight[i];
    if (f.ready <= now) inFlight[i] = inFlight[--flying];
    else if (f.ready > arrival && f.start < end && first < f.end) arrival = f.ready;
  }
  return arrival;
}
