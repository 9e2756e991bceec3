/**
 * The ten functions of the REAP paper (Ustiugov et al., ASPLOS'21), read off its figures: warm time of Fig. 8, pages of
 * Fig. 5, mean run of Fig. 3, booted memory of Fig. 4. The order of the names on Fig. 3's axis differs from the other
 * figures', so the runs of json_serdes and lr_serving may be each other's.
 */

export interface ReapFunction {
  readonly name: string
  /** Of an invocation on memory that is resident. */
  readonly warmMs: number
  /** Pages that every invocation touches, and those that only one does. */
  readonly samePages: number
  readonly uniquePages: number
  /** Mean pages in a run of neighbours among those touched. */
  readonly contiguity: number
  /** Memory of a booted guest, in units of 10^6 bytes, of 256 MiB. */
  readonly bootedMb: number
}

const of = (
  name: string,
  warmMs: number,
  samePages: number,
  uniquePages: number,
  contiguity: number,
  bootedMb: number,
): ReapFunction => ({ name, warmMs, samePages, uniquePages, contiguity, bootedMb })

export const REAP_FUNCTIONS: readonly ReapFunction[] = [
  of('helloworld', 1, 1965, 2, 1.9, 148),
  of('chameleon', 29, 3276, 6, 2.3, 152),
  of('pyaes', 3, 2081, 7, 1.9, 149),
  of('image_rotate', 37, 6132, 1311, 3.4, 174),
  of('json_serdes', 27, 4357, 1102, 3.2, 164),
  of('lr_serving', 2, 2673, 15, 1.6, 256),
  of('cnn_serving', 192, 7117, 59, 2.4, 256),
  of('rnn_serving', 25, 2698, 5, 1.9, 187),
  of('lr_training', 4991, 23_841, 725, 4.9, 256),
  of('video_processing', 1476, 8038, 2527, 2.8, 246),
]
