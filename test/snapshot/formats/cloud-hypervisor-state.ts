/** A state.json as Cloud Hypervisor writes it, around a memory manager's state. */
export function stateOf(manager: unknown): string {
  const leaf = (state: unknown) => ({ snapshots: {}, snapshot_data: { state: JSON.stringify(state) } })
  return JSON.stringify({
    snapshots: {
      'cpu-manager': { snapshots: { 0: leaf({ id: 0 }) }, snapshot_data: null },
      'memory-manager': leaf(manager),
    },
    snapshot_data: null,
  })
}
