// A thread of the WebAssembly kernel pool. Runs in node:worker_threads and in a browser's Worker. It sleeps on an atomic wait until the
// generation changes, takes tasks until none is left, and counts itself off. Indices: see `SYNC` in src/kernels/wasm-threads.ts.
(() => {
  const port = typeof process === 'object' && process.getBuiltinModule ? process.getBuiltinModule('node:worker_threads').parentPort : undefined;
  const begin = ({ module, memory, syncOffset, stackPointer, thread }) => {
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    exports.__stack_pointer.value = stackPointer;
    const sync = new Int32Array(memory.buffer, syncOffset, 16);
    let generation = Atomics.load(sync, 0);
    const ready = { ready: thread };
    if (port) port.postMessage(ready);
    else self.postMessage(ready);
    for (;;) {
      Atomics.wait(sync, 0, generation);
      const now = Atomics.load(sync, 0);
      if (now === generation) continue;
      generation = now;
      if (Atomics.load(sync, 11)) break;
      try {
        for (;;) {
          const task = Atomics.add(sync, 4, 1);
          if (task >= sync[3]) break;
          exports.run(sync[1], sync[2], task, task + 1, sync[7], sync[8], sync[9] + thread * sync[10]);
        }
      } catch {
        Atomics.store(sync, 6, 1);
        Atomics.store(sync, 4, 0x3fffffff);
      }
      if (Atomics.sub(sync, 5, 1) === 1) Atomics.notify(sync, 5);
    }
  };
  if (port) port.once('message', begin);
  else self.onmessage = (event) => begin(event.data);
})();
