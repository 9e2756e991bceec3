/* The guest and the latency histogram, as src/sim/vcpus.ts and src/core/latency-histogram.ts. */

enum { WRITE = 1, IDLE_BEFORE = 2 }; /* an access's flags */
enum { THINK, ACCESS, TRAP, WAITING, WAKING, COPY_ON_WRITE };
enum { LINEAR_LIMIT = 256, BUCKETS = LINEAR_LIMIT + (52 - 8) * 128 };
static uint8_t *phase;
static uint32_t *cursor, *waitsFor, *resident, *writable, *faulted;
static double *faultStart, *stallNs, *latencyCounts;
static double firstAccessNs, workDoneNs, residentNs, latencyTotal, latencyMax;
static int64_t events, faults, minorFaults, latencyCount, bytesLeft, residencyPoints;
static int32_t running;
static void faultPosted(int32_t vcpu);

static void startVcpus(size_t words) {
  phase = renew(phase, V, sizeof *phase);
  cursor = renew(cursor, V, sizeof *cursor);
  waitsFor = renew(waitsFor, V, sizeof *waitsFor);
  faultStart = renew(faultStart, V, sizeof *faultStart);
  stallNs = renew(stallNs, V, sizeof *stallNs);
  resident = renew(resident, words, sizeof *resident);
  writable = renew(writable, words, sizeof *writable);
  faulted = renew(faulted, words, sizeof *faulted);
  latencyCounts = renew(latencyCounts, BUCKETS, sizeof *latencyCounts);
  firstAccessNs = residentNs = -1;
  latencyTotal = latencyMax = 0;
  events = faults = minorFaults = latencyCount = residencyPoints = 0;
  bytesLeft = pages * PAGE;
  running = V;
  workDoneNs = p.resumeNs;
  for (int32_t vcpu = 0; vcpu < V; vcpu++) {
    cursor[vcpu] = starts[vcpu];
    startTimer(vcpu, p.resumeNs);
  }
}

static int bucketOf(double ns) {
  if (ns < LINEAR_LIMIT) return (int)ns;
  int exponent = ilogb(fmin(ns, 0x1p52 - 1));
  return LINEAR_LIMIT + (exponent - 8) * 128 + (int)fmin(ldexp(ns, 7 - exponent), 255) - 128;
}

static void record(double ns) {
  latencyCounts[bucketOf(ns)]++;
  latencyTotal += ns;
  if (ns > latencyMax) latencyMax = ns;
  latencyCount++;
}

static double lowerEdge(int bucket) {
  if (bucket < LINEAR_LIMIT) return bucket;
  return ldexp((bucket - LINEAR_LIMIT) % 128 + 128, (bucket - LINEAR_LIMIT) / 128 + 1);
}

static double quantile(double share) {
  double wanted = fmax(1, ceil(share * latencyCount)), seen = 0;
  for (int bucket = 0; bucket < BUCKETS; bucket++) {
    seen += latencyCounts[bucket];
    if (seen >= wanted) return fmin(bucket < LINEAR_LIMIT ? bucket : lowerEdge(bucket + 1) - 1, latencyMax);
  }
  return latencyMax;
}

static void think(int32_t vcpu) {
  uint32_t access = cursor[vcpu], end = starts[vcpu + 1];
  if (access == end) {
    running--;
    workDoneNs = now;
    return;
  }
  phase[vcpu] = ACCESS;
  if (flags[access] & IDLE_BEFORE) {
    startTimer(vcpu, now + thinkNs[access]);
    return;
  }
  double work = thinkNs[access];
  if (access > starts[vcpu]) {
    while (test(flags[access] & WRITE ? writable : resident, hostPage[access])) {
      access++;
      if (access == end || flags[access] & IDLE_BEFORE) {
        phase[vcpu] = THINK;
        break;
      }
      work += thinkNs[access];
    }
    cursor[vcpu] = access;
  }
  startBurst(vcpu, work);
}

static void tryAccess(int32_t vcpu) {
  uint32_t page = hostPage[cursor[vcpu]];
  if (test(flags[cursor[vcpu]] & WRITE ? writable : resident, page)) {
    if (firstAccessNs < 0) firstAccessNs = now;
    cursor[vcpu]++;
    think(vcpu);
    return;
  }
  faultStart[vcpu] = now;
  if (test(resident, page)) {
    minorFaults++;
    phase[vcpu] = COPY_ON_WRITE;
    startKernelBurst(vcpu, p.anonWriteFaultNs);
  } else {
    phase[vcpu] = TRAP;
    startKernelBurst(vcpu, p.faultTrapNs);
  }
}

static void retry(int32_t vcpu) {
  stallNs[vcpu] += now - faultStart[vcpu];
  tryAccess(vcpu);
}

static void stepVcpu(int32_t vcpu) {
  uint32_t page;
  switch (phase[vcpu]) {
    case THINK: think(vcpu); return;
    case ACCESS: tryAccess(vcpu); return;
    case TRAP:
      page = hostPage[cursor[vcpu]];
      if (test(resident, page)) break;
      faults++;
      set(faulted, page, (int64_t)page + 1);
      phase[vcpu] = WAITING;
      waitsFor[vcpu] = page;
      faultPosted(vcpu);
      return;
    case WAKING: record(now - faultStart[vcpu]); break;
    case COPY_ON_WRITE:
      page = hostPage[cursor[vcpu]];
      set(writable, page, (int64_t)page + 1);
      break;
  }
  retry(vcpu);
}
