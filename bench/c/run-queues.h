/* A run queue a core, as src/sim/run-queues.ts; every core is looked through for its bursts. */

struct core {
  int32_t running, inKernel, waking;
  double serviceNs, sharedSinceNs, aloneSinceNs;
};
static struct core *cores;
static int32_t *coreOf, actorCount, coreCount, busyCores, current, currentCore;
static double *readyNs, *burstKey, *busySlowness;
static bool *isWaking, *isRunning, *isInKernel;
static int32_t burstsInKernel;

static void startRunQueues(int32_t actors) {
  actorCount = actors;
  coreCount = (int32_t)p.cores;
  cores = renew(cores, coreCount, sizeof *cores);
  coreOf = renew(coreOf, actors, sizeof *coreOf);
  readyNs = renew(readyNs, actors, sizeof *readyNs);
  burstKey = renew(burstKey, actors, sizeof *burstKey);
  isWaking = renew(isWaking, actors, sizeof *isWaking);
  isRunning = renew(isRunning, actors, sizeof *isRunning);
  isInKernel = renew(isInKernel, actors, sizeof *isInKernel);
  busySlowness = renew(busySlowness, coreCount + 1, sizeof *busySlowness);
  for (int32_t n = 0; n <= coreCount; n++) busySlowness[n] = coreSlowness(n);
  for (int32_t actor = 0; actor < actors; actor++) coreOf[actor] = (actor < V ? actor : actor == V ? 0 : actor - 1) % coreCount;
  busyCores = burstsInKernel = 0;
  current = currentCore = NONE;
}

static bool isIdle(int32_t c) { return cores[c].running == 0 && cores[c].waking == 0 && c != currentCore; }

static int32_t idleCore(void) {
  for (int32_t c = 0; c < coreCount; c++)
    if (isIdle(c)) return c;
  return NONE;
}

static void enqueue(int32_t actor, double workNs) {
  struct core *c = &cores[coreOf[actor]];
  if (c->running++ == 0) busyCores++;
  else if (c->running == 2 && c->aloneSinceNs < now) c->sharedSinceNs = now;
  burstKey[actor] = c->serviceNs + workNs;
  isRunning[actor] = true;
  c->inKernel += isInKernel[actor];
  burstsInKernel += isInKernel[actor];
}

static void dequeue(int32_t actor) {
  struct core *c = &cores[coreOf[actor]];
  if (--c->running == 0) busyCores--;
  else if (c->running == 1) c->aloneSinceNs = now;
  isRunning[actor] = false;
  c->inKernel -= isInKernel[actor];
  burstsInKernel -= isInKernel[actor];
}

/* vCPUs and the handler are bound. */
static int32_t coreToRunOn(int32_t actor) {
  int32_t own = coreOf[actor], idle = actor <= V || p.idleSearch == 0 || isIdle(own) ? own : idleCore();
  return idle == NONE ? own : idle;
}

static bool wakesPlacedRemotely(int32_t actor) { return !isRunning[actor] && isIdle(coreToRunOn(actor)); }

static bool isOtherAndBusy(int32_t c) { return currentCore != NONE && c != currentCore && cores[c].running > 0; }

static bool interruptsPlaced(int32_t actor) { return !isRunning[actor] && isOtherAndBusy(coreToRunOn(actor)); }

static bool wakePlaced(int32_t actor) {
  if (isRunning[actor]) return false;
  int32_t to = coreToRunOn(actor);
  bool idle = isIdle(to);
  if (isOtherAndBusy(to)) cores[to].serviceNs -= p.tlbInterruptNs / cores[to].running;
  coreOf[actor] = to;
  cores[to].waking++;
  isWaking[actor] = true;
  return idle;
}

static void awake(int32_t actor) {
  isWaking[actor] = false;
  cores[coreOf[actor]].waking--;
}

static void startPlacedBurst(int32_t actor, double workNs, bool inKernel) {
  if (actor != current) {
    if (isWaking[actor]) awake(actor);
    else coreOf[actor] = coreToRunOn(actor);
    readyNs[actor] = now;
  }
  bool beside = inKernel && burstsInKernel > cores[coreOf[actor]].inKernel;
  isInKernel[actor] = inKernel;
  enqueue(actor, beside ? workNs * (1000 / p.kernelBesidePerMille) : workNs);
}

static int32_t longestReady(int32_t c) {
  int32_t found = NONE;
  for (int32_t actor = V + 1; actor < actorCount; actor++)
    if (isRunning[actor] && coreOf[actor] == c && (found == NONE || readyNs[actor] < readyNs[found])) found = actor;
  return found;
}

/* Idle cores take threads that wait on busy ones; returns when the next one may move. */
static double balance(void) {
  double nextNs = INFINITY;
  for (int32_t from = 0; from < coreCount; from++) {
    while (cores[from].running > 1) {
      int32_t idle = idleCore(), actor = longestReady(from);
      if (idle == NONE) return INFINITY;
      if (actor == NONE) break;
      double atNs = fmax(readyNs[actor], cores[from].sharedSinceNs) + p.migrationCostNs;
      if (atNs > now) {
        nextNs = fmin(nextNs, atNs);
        break;
      }
      double leftNs = burstKey[actor] - cores[from].serviceNs;
      dequeue(actor);
      coreOf[actor] = idle;
      readyNs[actor] = now;
      enqueue(actor, leftNs);
    }
  }
  return nextNs;
}

static void advance(double toNs) {
  double elapsed = toNs - now;
  now = toNs;
  if (busyCores == 0) return;
  for (int32_t c = 0; c < coreCount; c++)
    if (cores[c].running > 0) cores[c].serviceNs += elapsed / (cores[c].running * busySlowness[busyCores]);
}

/* The burst that ends first, of those at one time the least actor's; NONE: there is none. */
static int32_t firstBurst(double *endNs) {
  int32_t found = NONE;
  *endNs = INFINITY;
  for (int32_t c = 0; c < coreCount; c++) {
    int32_t first = NONE;
    for (int32_t actor = 0; actor < actorCount; actor++)
      if (isRunning[actor] && coreOf[actor] == c && (first == NONE || burstKey[actor] < burstKey[first])) first = actor;
    if (first == NONE) continue;
    double end = now + fmax(0, burstKey[first] - cores[c].serviceNs) * cores[c].running * busySlowness[busyCores];
    if (end > *endNs || (end == *endNs && found < first)) continue;
    found = first;
    *endNs = end;
  }
  return found;
}

static int32_t nextPlaced(void) {
  double endNs, timerAt;
  int32_t actor;
  current = currentCore = NONE;
  for (;;) {
    double moveAt = balance();
    timerAt = topKey(&timers);
    actor = firstBurst(&endNs);
    if (moveAt >= endNs || moveAt >= timerAt) break;
    advance(moveAt);
  }
  if (actor != NONE && endNs <= timerAt) {
    advance(endNs);
    current = actor;
    currentCore = coreOf[actor];
    cores[currentCore].serviceNs = burstKey[actor];
    dequeue(actor);
    return actor;
  }
  if (timerAt == INFINITY) return NONE;
  advance(timerAt);
  actor = pop(&timers);
  if (isWaking[actor]) {
    awake(actor);
    readyNs[actor] = now;
    current = actor;
    currentCore = coreOf[actor];
  }
  return actor;
}
