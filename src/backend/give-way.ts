/** Timers and signals get their turn: long work waits for this between its pieces. @throws the signal's reason once it is aborted */
export async function giveWay(signal?: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal?.throwIfAborted();
}
