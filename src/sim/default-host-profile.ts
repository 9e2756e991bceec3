/**
 * The host profile used when none is given: medians measured on Linux 6.18.44, x86-64, two shared vCPUs of a nested VM
 * (11 repetitions; expect ±25 %). Cross-core wake-ups of idle virtual CPUs dominate it; bare metal is well below.
 */
import type { HostProfile, ProfileParameter } from './host-profile.ts'

const measured = (value: number, how: string): ProfileParameter => ({ value, unit: 'ns', source: `measured: ${how}` })
const derived = (value: number, how: string): ProfileParameter => ({ value, unit: 'ns', source: `derived: ${how}` })

export const DEFAULT_HOST_PROFILE: HostProfile = {
  name: 'default',
  host: 'Linux 6.18.44, x86-64, 2 shared vCPUs, nested VM',
  parameters: {
    cores: { value: 2, unit: 'cores', source: 'the machine that the costs were measured on' },
    runQueues: { value: 1, unit: 'run queues', source: 'assumed: threads find an idle core at once, the fluid limit' },
    idleSearch: { value: 1, unit: '0 or 1', source: 'Linux kernel/sched/fair.c select_idle_sibling' },
    migrationCostNs: { value: 500_000, unit: 'ns', source: 'Linux kernel/sched/fair.c sysctl_sched_migration_cost' },
    threadAlonePerMille: { value: 1000, unit: '‰', source: 'assumed: a host that nobody else uses' },
    threadAllPerMille: { value: 1000, unit: '‰', source: 'assumed: a host that nobody else uses' },
    kernelBesidePerMille: {
      value: 1000,
      unit: '‰',
      source: 'not measured there; `lazyrestore calibrate` measures it',
    },
    faultTrapNs: measured(1400, 'fault to message, handler busy-reading on another core'),
    coldFaultNs: { value: 0, unit: 'ns', source: 'not measured there; `lazyrestore calibrate` measures it' },
    coolingNs: {
      value: 20_000,
      unit: 'ns',
      source: 'measured: Xeon, fault latency on one CPU after 1 to 50 µs of computing',
    },
    handlerWakeLocalNs: derived(1900, 'fault to message on the same core, 3,300, less faultTrapNs'),
    handlerWakeRemoteNs: derived(25_600, 'fault to message on an idle core, 27,000, less faultTrapNs'),
    standBackNs: {
      value: 150_000,
      unit: 'ns',
      source: 'derived: a sleep of 100 µs, and timer slack of 50 µs, Linux prctl(2) PR_SET_TIMERSLACK',
    },
    busyWakeNs: { value: 0, unit: 'ns', source: 'not measured there; `lazyrestore calibrate` measures it' },
    messageReadNs: measured(1500, 'what poll adds to a blocking read'),
    wakeCallLocalNs: measured(1100, 'UFFDIO_COPY with a waiter on the same core, less one without'),
    wakeCallRemoteNs: measured(8000, 'UFFDIO_COPY with a waiter on another core, less one without'),
    vcpuWakeLocalNs: measured(2900, 'end of UFFDIO_COPY to the faulter running, same core'),
    vcpuWakeRemoteNs: measured(18_000, 'end of UFFDIO_COPY to the faulter running, idle core'),
    copyCallNs: measured(1100, 'UFFDIO_COPY anon, intercept over 4 KiB to 2 MiB'),
    copyAnon4kNs: measured(1300, 'UFFDIO_COPY anon, slope over 4 KiB to 2 MiB'),
    copyShmem4kNs: derived(1630, 'UFFDIO_COPY shmem: 4 KiB 2,730 and 64 KiB 26,900, less copyCallNs'),
    copyHuge2mNs: measured(200_000, 'UFFDIO_COPY hugetlb 2 MiB, shared 184,000 and private 220,000'),
    zeroCallNs: measured(600, 'UFFDIO_ZEROPAGE anon, intercept'),
    zeroAnon4kNs: measured(105, 'UFFDIO_ZEROPAGE anon, slope over 4 KiB to 2 MiB'),
    zeroShmem4kNs: derived(2600, 'UFFDIO_ZEROPAGE shmem 4 KiB 3,200, less zeroCallNs'),
    registerNs: measured(1500, 'UFFDIO_REGISTER + UNREGISTER pair; an upper bound for one'),
    mapRegionNs: measured(4100, 'mmap MAP_FIXED of a file region (method now in `lazyrestore calibrate`)'),
    readCallNs: derived(750, 'pread from the page cache: 4 KiB 1,400 and 64 KiB 11,100, intercept'),
    read4kNs: derived(650, 'pread from the page cache: 4 KiB 1,400 and 64 KiB 11,100, slope'),
    cacheFill4kNs: derived(1750, 'pread that misses the page cache, slope over 4 to 128 KiB, 2,400, less read4kNs'),
    readaheadFill4kNs: derived(
      250,
      'pread of 128 KiB in order, per 4 KiB: 730 where it misses, less 480 where it hits',
    ),
    fillZero4kNs: measured(47, 'memset of 4 KiB (method now in `lazyrestore calibrate`)'),
    anonWriteFaultNs: measured(1790, 'minor fault, anonymous memory, write'),
    anonReadFaultNs: measured(780, 'minor fault, anonymous memory, read'),
    runNs: { value: 0, unit: 'ns', source: 'not measured there; `lazyrestore calibrate` measures it' },
    anonPinFaultNs: {
      value: 1790,
      unit: 'ns',
      source: 'assumed: as much as a fault; `lazyrestore calibrate` measures it',
    },
    shmemFaultNs: measured(3300, 'first touch of a shmem page'),
    hugeFault2mNs: measured(209_000, 'first touch of a 2 MiB hugetlb page'),
    fileMapFaultNs: measured(3100, 'MAP_PRIVATE file fault, cached, 16 pages mapped around'),
    cowFaultNs: measured(2450, 'MAP_PRIVATE file page, write'),
    tlbShootdownNs: { value: 0, unit: 'ns', source: 'not measured there; `lazyrestore calibrate` measures it' },
    tlbInterruptNs: { value: 0, unit: 'ns', source: 'not measured there; `lazyrestore calibrate` measures it' },
    shadowFaultNs: { value: 0, unit: 'ns', source: 'a hypervisor that uses EPT or NPT, or none' },
    guestFaultNs: measured(
      11_000,
      'first access of a guest to a resident page, KVM-PVM with shadow paging: 9 to 13 µs',
    ),
    guestFaultPages: { value: 8, unit: '4 KiB pages', source: 'measured; Linux KVM PTE_PREFETCH_NUM' },
    guestSleepNs: derived(
      9_000,
      "KVM-PVM: a guest's fault latency less a thread's, one CPU (23 to 35 µs), less guestWakeNs",
    ),
    guestWakeNs: derived(
      17_000,
      "KVM-PVM: a guest's fault latency less a thread's and guestFaultNs, two CPUs: 15 to 20 µs",
    ),
    readaheadPages: { value: 32, unit: '4 KiB pages', source: 'Linux default read_ahead_kb = 128' },
    faultAroundPages: { value: 16, unit: '4 KiB pages', source: 'Linux mm/memory.c fault_around_bytes = 64 KiB' },
  },
}
