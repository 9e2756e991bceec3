/** Questions that people come with, as experiments to start from. */
import { BLANK, type Draft } from './draft.ts'

export interface Preset {
  readonly id: string
  readonly title: string
  readonly summary: string
  readonly draft: Draft
}

const MAIN_POLICIES = ['eager', 'eager-multi', 'lazy', 'lazy-sweep', 'read-around', 'adaptive', 'working-set', 'mmap']

export const PRESETS: readonly Preset[] = [
  {
    id: 'policies',
    title: 'Which policy?',
    summary: 'Eight policies, one snapshot, one disk.',
    draft: { ...BLANK, name: 'Which policy?', policies: MAIN_POLICIES, workloads: ['working-set:share=5%,vcpus=2'] },
  },
  {
    id: 'disks',
    title: 'Which disk?',
    summary: 'Three devices, cold, and a warm page cache.',
    draft: {
      ...BLANK,
      name: 'Which disk?',
      policies: ['eager-multi', 'lazy', 'lazy-sweep', 'adaptive', 'working-set'],
      workloads: ['working-set:share=5%,vcpus=2'],
      storages: ['nvme', 'virtio-ssd', 'sata-ssd', 'nvme:cache=warm'],
    },
  },
  {
    id: 'huge-pages',
    title: 'Huge pages?',
    summary: 'The same memory on 4\u00a0KiB and on 2\u00a0MiB pages.',
    draft: {
      ...BLANK,
      name: 'Huge pages?',
      policies: ['eager-multi', 'lazy', 'lazy-sweep', 'working-set'],
      workloads: ['working-set:share=5%,vcpus=2'],
      layouts: ['4K', '2M'],
    },
  },
  {
    id: 'working-sets',
    title: 'How much is touched?',
    summary: 'Working sets of 1, 5, 20 and 50\u00a0%.',
    draft: {
      ...BLANK,
      name: 'How much is touched?',
      policies: ['eager-multi', 'lazy', 'lazy-sweep', 'adaptive', 'working-set'],
      workloads: ['1%', '5%', '20%', '50%'].map(share => `working-set:share=${share}`),
    },
  },
  {
    id: 'fill-rate',
    title: 'How fast a fill?',
    summary: 'A background sweep at several rates.',
    draft: {
      ...BLANK,
      name: 'How fast a fill?',
      policies: ['lazy', 'lazy-sweep:rate=100MiB', 'lazy-sweep:rate=500MiB', 'lazy-sweep', 'lazy-sweep:yield=true'],
      workloads: ['working-set:share=10%,vcpus=4'],
    },
  },
  {
    id: 'systems',
    title: 'Other systems',
    summary: 'QEMU, CRIU, Cloud Hypervisor, Firecracker, REAP, E2B, FaaSnap.',
    draft: {
      ...BLANK,
      name: 'Other systems',
      policies: ['qemu-11.2', 'criu', 'cloud-hypervisor', 'firecracker-file', 'reap', 'e2b', 'faasnap'],
      workloads: ['working-set:share=5%,vcpus=2'],
    },
  },
]
