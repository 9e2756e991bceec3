/** The library's public face: named exports, nothing else. */

export { type BurstComparison, compareBursts } from './burst/compare-bursts.ts'
export type { BurstResult, FleetTimes } from './burst/result.ts'
export { type Calibration, type CalibrationOptions, calibrate } from './calibrate/calibrate.ts'
export { countBits } from './core/bitmap.ts'
export { type ErrorCode, LazyRestoreError } from './core/error.ts'
export { parseSpec, parseSpecList, resolveOptions, type Spec } from './core/spec-string.ts'
export { parseBytes, parseDurationNs } from './core/units.ts'
export { VERSION } from './core/version.ts'
export {
  type BlockMemory,
  HOST_PAGE_SIZES,
  type HostPageChoice,
  type MemoryKind,
  parseHostPages,
} from './destination/host-pages.ts'
export { createLayout, hostPagesOf, type Layout, type LayoutBlock } from './destination/layout.ts'
export { densityOf, type PageWindow, pageWindow } from './destination/window.ts'
export type { Engine, RestoreRequest } from './engine/engine.ts'
export type { EngineName, FaultLatency, ResidencyPoint, RestoreResult } from './engine/result.ts'
export {
  applyValue,
  BREAK_EVEN_PARAMETERS,
  type BreakEvenParameter,
  findParameter,
  type RestoreTexts,
  rangeOf,
  withMemorySeed,
} from './experiment/break-even/parameters.ts'
export {
  type BreakEven,
  type Crossing,
  type LookedAt,
  type Probe,
  type SearchOptions,
  searchBreakEven,
} from './experiment/break-even/search.ts'
export type { Cell } from './experiment/cell.ts'
export { type Comparison, type ComparisonResult, compare } from './experiment/compare.ts'
export { type ReproducedRow, type Reproduction, reproduce } from './experiment/reproduce/reproduce.ts'
export { type PublishedTables, parseTables } from './experiment/reproduce/tables.ts'
export { compareInRounds, type RoundsComparison, type RoundsResult, type RoundsRow } from './experiment/rounds.ts'
export { type SweepCell, type SweepCells, sweepCells } from './experiment/sweep/cells.ts'
export { checkSweepCells } from './experiment/sweep/check-cells.ts'
export { parseQuantity, type Quantity } from './experiment/sweep/quantity.ts'
export { parseSweepSpec, readSweepSpec } from './experiment/sweep/read-spec.ts'
export { checkSweepSpec, type SweepSpec } from './experiment/sweep/spec.ts'
export { FILL, FROM_SNAPSHOT, Plan } from './policy/plan.ts'
export type { Mechanism, Policy, PolicyContext, PolicyDefinition } from './policy/policy.ts'
export { createPolicy, POLICIES } from './policy/registry.ts'
export { createQemuEngine, type QemuEngine, type QemuEngineOptions } from './qemu/engine/qemu-engine.ts'
export { parseWorkSign, type WorkSign } from './qemu/engine/work-sign.ts'
export type { AccessBatch } from './replay/access-batch.ts'
export type { ReplayLog } from './replay/access-log.ts'
export {
  ANSWER_MAJOR,
  ANSWER_MINOR,
  ANSWER_NAMES,
  ANSWER_RESIDENT,
  type Answer,
  type InstalledRuns,
  type ReplayAnswers,
} from './replay/answers.ts'
export { FaultReplay, type ReplayOptions } from './replay/fault-replay.ts'
export { type FillMap, fillMap } from './replay/fill-map.ts'
export type { PolicyStretch } from './replay/policy-stretch.ts'
export type { ReplayState } from './replay/replay-state.ts'
export { sharedReplayBytes } from './replay/session-bytes.ts'
export { tellPart } from './replay/workload-part.ts'
export { csvLine, type FieldValue, RECORD_FIELDS, renderCsv, wholeUnits } from './report/csv.ts'
export { renderHdrLog } from './report/hdr-log.ts'
export { loadSweepReport } from './report/load-sweep-report.ts'
export { type TableColumn, writeParquet } from './report/parquet.ts'
export { renderPerfetto, type TracedRestore } from './report/perfetto.ts'
export { renderTable } from './report/table.ts'
export { assemble } from './resolver/assemble.ts'
export {
  createResolution,
  OP_COPY,
  OP_ZERO_COPY,
  OP_ZEROPAGE,
  type Operation,
  type Resolution,
  resolve,
} from './resolver/resolver.ts'
export { type FaultPath, parseFaultPath } from './sim/fault-path.ts'
export { DEFAULT_HOST_PROFILE, deviceOf, type HostProfile, withCores } from './sim/host-profile.ts'
export { parseHostProfile } from './sim/host-profile-file.ts'
export { readHostProfile } from './sim/read-host-profile.ts'
export { createSimEngine, type SimEngineOptions } from './sim/sim-engine.ts'
export { asFile, type ProgressSink } from './snapshot/as-file.ts'
export type { ByteSource } from './snapshot/byte-source.ts'
export { memorySource } from './snapshot/byte-source.ts'
export { hashBlock, loadPages } from './snapshot/load.ts'
export { openSnapshot } from './snapshot/open-snapshot.ts'
export type { ByteRange, RamBlock, Snapshot, SnapshotFormat } from './snapshot/snapshot.ts'
export { snapshotPages, writeSnapshot } from './snapshot/snapshot-writer.ts'
export { DEVICE_PRESETS, type DeviceParameters, parseStorage, type Storage } from './storage/device.ts'
export { hostStorage } from './storage/host-storage.ts'
export { type Availability, type HugePageAvailability, probe } from './uffd/availability.ts'
export { prepareFileCache } from './uffd/engine/file-cache-state.ts'
export { createKvmEngine, createUffdEngine, type KernelEngineOptions } from './uffd/engine/kernel-engine.ts'
export {
  comparePages,
  type PageSet,
  type PageSetDifference,
  pagesOfFile,
  pagesOfRecording,
} from './working-set/diff.ts'
export type { WorkingSetBlock, WorkingSetHeader } from './working-set/file-format.ts'
export { mergeOrders } from './working-set/merge.ts'
export { checkWorkingSetFits, openWorkingSet, type WorkingSetFile } from './working-set/open.ts'
export { diffTraces, type NamedTrace, type RunDifference, type TraceDiff } from './working-set/trace-diff.ts'
export { type WorkingSet, type WorkingSetContents, workingSetOf } from './working-set/working-set.ts'
export { buildWorkingSet, type WorkingSetContent } from './working-set/write.ts'
export { checkWorkloadFits } from './workload/check.ts'
export { faultTrace, type RecordedFaults } from './workload/fault-trace.ts'
export { firstUseOrder } from './workload/first-use.ts'
export { type ImportedTrace, type ImportRequest, importTrace } from './workload/import/import-trace.ts'
export { memoryOfSnapshot, type WorkloadMemory } from './workload/memory.ts'
export { createWorkload, WORKLOADS } from './workload/registry.ts'
export { type WorkloadStats, workloadStats } from './workload/stats.ts'
export { beginsAsTrace, readTrace, writeTrace } from './workload/trace-file.ts'
export { type TraceStats, traceStats } from './workload/trace-stats.ts'
export { type MergeMode, mergeWorkloads } from './workload/transform/merge.ts'
export { remapTo, withPageSize } from './workload/transform/remap.ts'
export { scaleTimes } from './workload/transform/scale.ts'
export { sliceTime } from './workload/transform/slice.ts'
export { spreadOverVcpus } from './workload/transform/spread.ts'
export { ACCESS_IDLE, ACCESS_WRITE, type Workload } from './workload/workload.ts'
