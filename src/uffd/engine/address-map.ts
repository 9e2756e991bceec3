/** Where the destination's host pages lie in the address space, and which host page an address is. */
import { blockOfHostPage, type Layout, type LayoutBlock } from '../../destination/layout.ts'

/** Outside every block. */
export const NO_PAGE = -1

export class AddressMap {
  readonly layout: Layout
  /** Address of each block's first byte. */
  readonly blockAddress: readonly number[]

  constructor(layout: Layout, blockAddress: readonly number[]) {
    this.layout = layout
    this.blockAddress = blockAddress
  }

  addressOf(hostPage: number): number {
    return this.addressIn(blockOfHostPage(this.layout, hostPage), hostPage)
  }

  /** The same, of a block's host page. */
  addressIn(block: LayoutBlock, hostPage: number): number {
    return this.blockAddress[block.index] + (hostPage - block.firstHostPage) * block.hostPageSize
  }

  /** The host page that an address lies in; NO_PAGE when it lies in none, or on a block's last one but behind its end. */
  pageAt(address: number): number {
    for (const { index, block, firstHostPage, hostPageSize } of this.layout.blocks) {
      const offset = address - this.blockAddress[index]
      if (offset >= 0 && offset < block.usedLength) return firstHostPage + Math.floor(offset / hostPageSize)
    }
    return NO_PAGE
  }
}
