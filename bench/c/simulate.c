/*
 * The simulation of docs/model.md once more, in C: the policies `lazy` and `lazy-sweep` on one block of anonymous 4 KiB
 * pages, with one handler and at most one worker. It serves twice. As an oracle: the same floating-point operations in the
 * same order, so it ends on the same nanosecond as src/sim. As a yardstick: `npm run bench -- sim-access`.
 *
 *   simulate INPUT ROUNDS     built by cc -std=c11 -O2 -ffp-contract=off simulate.c -lm
 *
 * INPUT, all little-endian, written by bench/c-twin.ts: the doubles of `struct parameters`, latencyNs f64[4096], hasData
 * u32[ceil(pages / 32)], starts u32[vcpus + 1], hostPage u32[accesses], thinkNs u32[accesses], flags u8[accesses].
 * Prints one JSON object: the outcome, and the CPU time of each round in ns.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "input.h"
#include "agenda.h"
#include "storage.h"
#include "vcpus.h"

/* ---- Messages: unread faults in order of arrival ---- */

static int32_t *nextMessage, *previousMessage, firstMessage, lastMessage;

static void pushMessage(int32_t vcpu) {
  nextMessage[vcpu] = NONE;
  previousMessage[vcpu] = lastMessage;
  if (lastMessage == NONE) firstMessage = vcpu;
  else nextMessage[lastMessage] = vcpu;
  lastMessage = vcpu;
}

static void removeMessage(int32_t vcpu) {
  int32_t previous = previousMessage[vcpu], next = nextMessage[vcpu];
  if (previous == ABSENT) return;
  if (previous == NONE) firstMessage = next;
  else nextMessage[previous] = next;
  if (next == NONE) lastMessage = previous;
  else previousMessage[next] = previous;
  previousMessage[vcpu] = ABSENT;
}

/* ---- The handler and the worker, as src/sim/carriers.ts ---- */

enum { IDLE, MESSAGE, PULL, CLAIM, READ, INSTALL };

struct carrier {
  int32_t actor, phase;
  double debtNs, notBeforeNs;
  /* What is left of the plan, one run; the batch, one install run; what is left to read of it. */
  int64_t planPage, planEnd, first, count, readCursor, readEnd;
  struct reader *reader;
};
static struct carrier handler, worker;
static uint32_t *claims;
static int32_t *waiting, *woken, waitingCount;
static int64_t sweepCursor, copies, zeropages, bytesRead, bytesInstalled;

static void schedule(struct carrier *c, int32_t to, double atNs) {
  c->phase = to;
  startTimer(c->actor, atNs);
}

static void burst(struct carrier *c, int32_t to) {
  c->phase = to;
  startKernelBurst(c->actor, c->debtNs);
  c->debtNs = 0;
}

static void faultPosted(int32_t vcpu) {
  waiting[waitingCount++] = vcpu;
  pushMessage(vcpu);
  if (handler.phase != IDLE) return;
  double localNs = interrupts(handler.actor) ? p.handlerWakeLocalNs + p.busyWakeNs : p.handlerWakeLocalNs;
  schedule(&handler, MESSAGE, now + (wake(handler.actor) ? p.handlerWakeRemoteNs : localNs));
}

static bool claimNext(struct carrier *c) {
  c->first = nextClear(claims, c->planPage, c->planEnd);
  if (c->first >= c->planEnd) return false;
  bool copy = test(hasData, c->first);
  int64_t limit = c->first + larger(1, (int64_t)((copy ? p.readBytes : p.zeroBytes) / PAGE));
  if (limit > c->planEnd) limit = c->planEnd;
  limit = copy ? nextClear(hasData, c->first, limit) : nextSet(hasData, c->first, limit);
  limit = nextSet(claims, c->first, limit);
  set(claims, c->first, limit);
  c->count = limit - c->first;
  c->planPage = limit;
  c->readCursor = c->first;
  c->readEnd = copy ? limit : c->first;
  return true;
}

static void install(struct carrier *c) {
  c->debtNs += test(hasData, c->first) ? p.copyCallNs + c->count * p.copyAnon4kNs
                                       : p.zeroCallNs + c->count * p.zeroAnon4kNs;
  if (c == &worker) c->debtNs += p.runNs; /* the handler's answers have one run */
  double wakeNs = 0;
  for (int32_t i = 0; i < waitingCount; i++) {
    uint32_t page = waitsFor[waiting[i]];
    if (page < c->first || page >= c->first + c->count) continue;
    if (wakesRemotely(waiting[i])) wakeNs += p.wakeCallRemoteNs;
    else wakeNs += interrupts(waiting[i]) ? p.wakeCallLocalNs + p.busyWakeNs : p.wakeCallLocalNs;
  }
  c->debtNs += wakeNs;
  burst(c, INSTALL);
}

static void readBatch(struct carrier *c) {
  int64_t most = larger(1, (int64_t)(p.readBytes / PAGE));
  while (c->readCursor < c->readEnd) {
    int64_t first = nextSet(hasData, c->readCursor, c->readEnd);
    int64_t end = nextClear(hasData, first, first + most < c->readEnd ? first + most : c->readEnd);
    c->readCursor = end;
    if (first == end) break;
    double readyNs;
    bytesRead += (end - first) * PAGE;
    if (p.direct) {
      c->debtNs += p.cpuPerReadNs + (end - first) * p.cpuPerRead4kNs;
      readyNs = submit((end - first) * PAGE);
    } else {
      readyNs = readBuffered(c->reader, first, end);
      c->debtNs += p.readCallNs + (end - first) * p.read4kNs + c->reader->requestNs;
    }
    if (readyNs > now) {
      schedule(c, READ, readyNs);
      return;
    }
  }
  install(c);
}

static bool mustWait(struct carrier *c) {
  bool standsBack = p.yieldToFaults && waitingCount > 0;
  if (!standsBack && now >= c->notBeforeNs) return false;
  schedule(c, CLAIM, standsBack ? now + p.standBackNs : c->notBeforeNs);
  return true;
}

static bool startBatch(struct carrier *c) {
  if (c == &worker && mustWait(c)) return true;
  if (!claimNext(c)) return false;
  if (c == &worker && p.rateBytesPerS > 0)
    c->notBeforeNs = fmax(now, c->notBeforeNs) + roundHalfUp((double)(c->count * PAGE) * 1e9 / p.rateBytesPerS);
  readBatch(c);
  return true;
}

static void pull(void) {
  int64_t step = larger(1, (int64_t)(p.readBytes / PAGE));
  do {
    if (sweepCursor == pages) {
      worker.phase = IDLE;
      return;
    }
    worker.planPage = sweepCursor;
    worker.planEnd = sweepCursor = sweepCursor + step < pages ? sweepCursor + step : pages;
  } while (!startBatch(&worker));
}

static void takeMessage(void) {
  int32_t vcpu = firstMessage;
  if (vcpu == NONE) {
    handler.phase = IDLE;
    return;
  }
  removeMessage(vcpu);
  handler.debtNs = p.messageReadNs;
  handler.planPage = waitsFor[vcpu];
  handler.planEnd = handler.planPage + 1;
  /* Somebody else has claimed the page, and will wake the vCPU. */
  if (!startBatch(&handler)) burst(&handler, MESSAGE);
}

static void carryOn(struct carrier *c) {
  if (startBatch(c)) return;
  if (c == &handler) takeMessage();
  else pull();
}

static void wakeWaiters(int64_t first, int64_t end) {
  int32_t kept = 0, count = 0;
  for (int32_t i = 0; i < waitingCount; i++) {
    int32_t vcpu = waiting[i];
    if (waitsFor[vcpu] < first || waitsFor[vcpu] >= end) waiting[kept++] = vcpu;
    else {
      /* In the order of their numbers. */
      int32_t place = count++;
      for (; place > 0 && woken[place - 1] > vcpu; place--) woken[place] = woken[place - 1];
      woken[place] = vcpu;
    }
  }
  waitingCount = kept;
  for (int32_t i = 0; i < count; i++) {
    removeMessage(woken[i]);
    phase[woken[i]] = WAKING;
    startTimer(woken[i], now + (wake(woken[i]) ? p.vcpuWakeRemoteNs : p.vcpuWakeLocalNs));
  }
}

static void installed(struct carrier *c) {
  bool copy = test(hasData, c->first);
  set(resident, c->first, c->first + c->count);
  if (copy) set(writable, c->first, c->first + c->count);
  *(copy ? &copies : &zeropages) += c->count;
  bytesInstalled += c->count * PAGE;
  bytesLeft -= c->count * PAGE;
  residencyPoints++;
  if (bytesLeft == 0) residentNs = now;
  if (waitingCount > 0) wakeWaiters(c->first, c->first + c->count);
  carryOn(c);
}

static void stepCarrier(struct carrier *c) {
  switch (c->phase) {
    case MESSAGE: takeMessage(); return;
    case PULL: pull(); return;
    case CLAIM: carryOn(c); return;
    case READ: readBatch(c); return;
    case INSTALL: installed(c); return;
  }
}

/* ---- One round, and the program ---- */

static void simulate(void) {
  size_t words = (pages + 31) / 32;
  startAgenda(V + 2);
  startStorage(words);
  startVcpus(words);
  claims = renew(claims, words, sizeof *claims);
  waiting = renew(waiting, V, sizeof *waiting);
  woken = renew(woken, V, sizeof *woken);
  nextMessage = renew(nextMessage, V, sizeof *nextMessage);
  previousMessage = renew(previousMessage, V, sizeof *previousMessage);
  for (int32_t vcpu = 0; vcpu < V; vcpu++) previousMessage[vcpu] = ABSENT;
  firstMessage = lastMessage = NONE;
  handler = (struct carrier){.actor = V, .reader = &readers[0]};
  worker = (struct carrier){.actor = V + 1, .reader = &readers[1]};
  waitingCount = 0;
  sweepCursor = copies = zeropages = bytesRead = bytesInstalled = 0;
  if (p.workers > 0) schedule(&worker, PULL, p.resumeNs);
  for (int32_t actor; (actor = nextEvent()) != NONE; events++) {
    if (actor < V) stepVcpu(actor);
    else stepCarrier(actor == V ? &handler : &worker);
  }
}

static void *column(FILE *file, size_t count, size_t size) {
  void *values = renew(NULL, count, size);
  if (fread(values, size, count, file) != count) exit(2);
  return values;
}

/* CPU time: a process that is taken off its core on a shared machine does not get slower by it. */
static double clockNs(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/* Simulates so often, and prints the times and the outcome as a line. */
static void run(int rounds) {
  fputs("{\"roundNs\":[", stdout);
  for (int round = 0; round < rounds; round++) {
    double start = clockNs();
    simulate();
    printf("%s%.0f", round == 0 ? "" : ",", clockNs() - start);
  }
  printf("],\"outcome\":{\"resumeNs\":%.17g,\"firstAccessNs\":%.17g,\"workDoneNs\":%.17g,\"residentNs\":%.17g,", p.resumeNs,
         firstAccessNs, workDoneNs, residentNs);
  double stall = 0;
  for (int32_t vcpu = 0; vcpu < V; vcpu++) stall += stallNs[vcpu];
  printf("\"stallNs\":%.17g,\"latencyMeanNs\":%.17g,\"latencyMaxNs\":%.17g,\"latencyP50Ns\":%.17g,\"latencyP99Ns\":%.17g,",
         stall, latencyCount == 0 ? 0 : latencyTotal / latencyCount, latencyMax, quantile(0.5), quantile(0.99));
  printf("\"faults\":%lld,\"minorFaults\":%lld,\"copies\":%lld,\"zeropages\":%lld,\"bytesRead\":%lld,", (long long)faults,
         (long long)minorFaults, (long long)copies, (long long)zeropages, (long long)bytesRead);
  printf("\"bytesInstalled\":%lld,\"deviceBytes\":%.17g,\"running\":%d}}\n", (long long)bytesInstalled, deviceBytes, running);
  fflush(stdout);
}

/* simulate INPUT ROUNDS: as often as that; - for ROUNDS: as often as each line of the standard input says. */
int main(int argc, char **argv) {
  FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (file == NULL || fread(&p, sizeof p, 1, file) != 1) {
    fputs("simulate: found no input, expected simulate INPUT ROUNDS|-\n", stderr);
    return 2;
  }
  V = (int32_t)p.vcpus;
  pages = (int64_t)p.pages;
  latencyNs = column(file, QUANTILES, sizeof *latencyNs);
  hasData = column(file, (pages + 31) / 32, sizeof *hasData);
  starts = column(file, V + 1, sizeof *starts);
  hostPage = column(file, p.accesses, sizeof *hostPage);
  thinkNs = column(file, p.accesses, sizeof *thinkNs);
  flags = column(file, p.accesses, sizeof *flags);
  fclose(file);
  int rounds = atoi(argv[2]);
  if (strcmp(argv[2], "-") != 0) run(rounds);
  else while (scanf("%d", &rounds) == 1) run(rounds);
  return 0;
}
