/* Virtual time, as src/sim/agenda.ts: processor sharing by attained service, and timers. Run queues by core: run-queues.h. */

struct queue {
  double *key;
  int32_t *heap, size;
  bool hole;
};
static struct queue bursts, timers;
static double now, service, *slowness;
static int32_t active;
static bool placed; /* each core has a run queue */

/* What a ns of a core's work takes while so many are busy. */
static double coreSlowness(int32_t busy) {
  double alone = p.threadAlonePerMille / 1000, all = p.threadAllPerMille / 1000;
  return 1 / (busy <= 1 ? alone : alone + ((all - alone) * (busy - 1)) / (p.cores - 1));
}

static void startRunQueues(int32_t actors);
static void startAgenda(int32_t actors) {
  for (struct queue *q = &bursts; q != NULL; q = q == &bursts ? &timers : NULL)
    *q = (struct queue){.key = renew(q->key, actors, sizeof *q->key), .heap = renew(q->heap, actors, sizeof *q->heap)};
  now = service = 0;
  placed = p.runQueues > 1 && p.cores > 1;
  if (placed) startRunQueues(actors);
  slowness = renew(slowness, actors + 1, sizeof *slowness);
  double all = p.threadAllPerMille / 1000;
  for (int32_t n = 0; n <= actors; n++) slowness[n] = n >= p.cores ? n / (p.cores * all) : coreSlowness(n);
  active = 0;
}

static void siftDown(struct queue *q, int32_t actor) {
  const double *keys = q->key, key = keys[actor];
  int32_t *heap = q->heap, size = q->size, slot = 0;
  for (;;) {
    int32_t child = 2 * slot + 1;
    if (child >= size) break;
    int32_t least = heap[child];
    if (child + 1 < size) {
      int32_t right = heap[child + 1];
      if (keys[right] < keys[least] || (keys[right] == keys[least] && right < least)) child++, least = right;
    }
    if (key < keys[least] || (key == keys[least] && actor < least)) break;
    heap[slot] = least;
    slot = child;
  }
  heap[slot] = actor;
}

static double topKey(struct queue *q) {
  if (q->hole) {
    q->hole = false;
    if (--q->size > 0) siftDown(q, q->heap[q->size]);
  }
  return q->size == 0 ? INFINITY : q->key[q->heap[0]];
}

static int32_t pop(struct queue *q) {
  q->hole = true;
  return q->heap[0];
}

static void push(struct queue *q, int32_t actor, double key) {
  q->key[actor] = key;
  if (q->hole) {
    q->hole = false;
    siftDown(q, actor);
    return;
  }
  int32_t slot = q->size++;
  while (slot > 0) {
    int32_t parent = (slot - 1) >> 1, other = q->heap[parent];
    if (q->key[other] < key || (q->key[other] == key && other < actor)) break;
    q->heap[slot] = other;
    slot = parent;
  }
  q->heap[slot] = actor;
}

#include "run-queues.h"

static void start(int32_t actor, double workNs, bool inKernel) {
  if (placed) {
    startPlacedBurst(actor, workNs, inKernel);
    return;
  }
  active++;
  push(&bursts, actor, service + workNs);
}

static void startBurst(int32_t actor, double workNs) { start(actor, workNs, false); }

static void startKernelBurst(int32_t actor, double workNs) { start(actor, workNs, true); }

static void startTimer(int32_t actor, double atNs) { push(&timers, actor, atNs); }

static int32_t nextEvent(void) {
  if (placed) return nextPlaced();
  double timerAt = topKey(&timers);
  if (active > 0) {
    double work = fmax(0, topKey(&bursts) - service);
    double burstAt = now + work * slowness[active];
    if (burstAt <= timerAt) {
      now = burstAt;
      service += work;
      active--;
      return pop(&bursts);
    }
  } else if (timerAt == INFINITY) return NONE;
  double elapsed = timerAt - now;
  now = timerAt;
  service += elapsed / slowness[active];
  return pop(&timers);
}

/* Whether a thread that another one wakes would get an idle core; and giving it that core. */
static bool wakesRemotely(int32_t actor) {
  return placed ? wakesPlacedRemotely(actor) : active + 1 < p.cores;
}
static bool interrupts(int32_t actor) { return placed && interruptsPlaced(actor); }
static bool wake(int32_t actor) { return placed ? wakePlaced(actor) : active + 1 < p.cores; }
