import { setFlagsFromString } from 'node:v8';
import { BOUNDS, tensorError } from '@mamba360/testing';
import { chromium } from 'playwright-core';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReferenceTarget } from '../ops/common/reference-target.ts';
import { digestsOf, readCalls, writeCalls } from './browser-test/calls-file.ts';
import { findChromium } from './browser-test/chromium.ts';
import { servePage } from './browser-test/serve-page.ts';
import type { PageServer } from './browser-test/serve-page.ts';
import { CASES } from './kernels-test/cases.ts';
import { makeCall, withOutputs } from './kernels-test/make-call.ts';
import { SIGNATURES } from './signatures.ts';
import { createWasmTarget } from './wasm-target.ts';

setFlagsFromString('--experimental-wasm-relaxed-simd');

const executablePath = findChromium();
const required = process.env.MAMBA360_REQUIRE_BROWSER === '1';
if (!executablePath && !required) console.log('Skipped: no Chromium on this machine. Install one (Debian: apt-get install chromium) or name it in MAMBA360_CHROMIUM; MAMBA360_REQUIRE_BROWSER=1 makes its absence a failure.');

/** Seconds a thread that never sleeps would need to show, on a machine that has other work too. */
const IDLE_MILLISECONDS = 1000, IDLE_CPU_SECONDS = 0.15;

describe.skipIf(!executablePath && !required)('kernels in Chromium', { timeout: 300_000 }, () => {
  const calls = CASES.map((test) => makeCall(test)), file = writeCalls(calls);
  let server: PageServer, browser: Browser, page: Page, session: CDPSession, system: CDPSession;
  const faults: string[] = [];

  beforeAll(async () => {
    if (!executablePath) throw new Error('MAMBA360_REQUIRE_BROWSER=1 and there is no Chromium. Install one (Debian: apt-get install chromium) or name it in MAMBA360_CHROMIUM.');
    server = await servePage(file);
    browser = await chromium.launch({ executablePath, args: ['--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-dev-shm-usage'] });
    page = await browser.newPage();
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('console', (message) => { if (message.type() === 'error') faults.push(message.text()); });
    await page.goto(server.url);
    await page.waitForFunction(() => 'kernels' in window);
    session = await page.context().newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    system = await browser.newBrowserCDPSession();
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  /** What Node's own run of the same calls gives. */
  async function inNode(variant: 'simd' | 'relaxed', threads: number): Promise<string[]> {
    const target = await createWasmTarget({ variant, threads }), run = readCalls(file.slice().buffer);
    for (const call of run) target.run(call);
    target.dispose();
    return digestsOf(run);
  }

  const outputNames = CASES.flatMap((test, index) => calls[index]!.outputs.flatMap((output, i) => (output === null ? [] : [`${JSON.stringify(test)} ${SIGNATURES[test.kernel].outputs[i]}`])));
  /** Outputs whose bits differ, by the case they belong to. */
  const differences = (actual: readonly string[] | undefined, expected: readonly string[]): string[] => outputNames.filter((_, i) => actual?.[i] !== expected[i]);

  function expectClose(bytes: Buffer): void {
    const reference = createReferenceTarget();
    let at = 0;
    calls.forEach((call, index) => {
      const expected = withOutputs(call, true), kernel = CASES[index]!.kernel;
      reference.run(expected);
      const bound = BOUNDS[kernel.endsWith('Backward') ? 'gradient' : 'output'];
      call.outputs.forEach((output, i) => {
        if (output === null) return;
        const copy = bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + at + output.byteLength), Kind = output.constructor as new (buffer: ArrayBufferLike) => Float32Array;
        at += output.byteLength;
        const { relative } = tensorError(new Kind(copy), expected.outputs[i]!);
        if (!(relative <= bound)) expect.unreachable(`${JSON.stringify(CASES[index])} ${SIGNATURES[kernel].outputs[i]}: error ${relative}, bound ${bound}`);
      });
    });
    expect(at).toBe(bytes.length);
  }

  /** Processor time of the page's main thread since the page began, seconds. */
  const mainThreadSeconds = async (): Promise<number> => (await session.send('Performance.getMetrics')).metrics.find(({ name }) => name === 'TaskDuration')?.value ?? NaN;
  /** Processor time of all renderer processes, workers included. */
  const rendererSeconds = async (): Promise<number> => (await system.send('SystemInfo.getProcessInfo')).processInfo.filter(({ type }) => type === 'renderer').reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  const rest = (): Promise<void> => new Promise((resolve) => { setTimeout(resolve, IDLE_MILLISECONDS); });

  it('every kernel has a call that is run here', () => {
    expect(Object.keys(SIGNATURES).filter((kernel) => !CASES.some((test) => test.kernel === kernel))).toEqual([]);
  });

  it('the page is cross-origin isolated and has relaxed SIMD', async () => {
    expect(await page.evaluate(() => [window.kernels.isolated, window.kernels.relaxed])).toEqual([true, true]);
  });

  it.each([1, 2])('the plain build gives the bits of Node in a Web Worker, %i threads', async (threads) => {
    const answer = await page.evaluate((job) => window.kernels.runInWorker(job), { variant: 'simd' as const, threads });
    expect(answer).toMatchObject({ threads });
    expect(differences(answer.digests, await inNode('simd', threads))).toEqual([]);
  });

  it('the relaxed build holds the bounds in a Web Worker, with the same bits for 1 and 2 threads and on the main thread', async () => {
    const [one, two] = [
      await page.evaluate((job) => window.kernels.runInWorker(job), { variant: 'relaxed' as const, threads: 1, name: 'relaxed' }),
      await page.evaluate((job) => window.kernels.runInWorker(job), { variant: 'relaxed' as const, threads: 2 }),
    ];
    expectClose(server.results.get('relaxed')!);
    expect(two).toMatchObject({ threads: 2 });
    expect(differences(two.digests, one.digests!)).toEqual([]);
    const main = await page.evaluate(() => window.kernels.runOnMainThread({}));
    expect(main).toMatchObject({ threads: 1, atomics: {}, workers: 0 });
    expect(differences(main.digests, one.digests!)).toEqual([]);
  });

  it('on the main thread: one thread whatever is asked for, the bits of Node, no atomics, no worker, and the event loop turns between calls', async () => {
    const report = await page.evaluate(() => window.kernels.runOnMainThread({ target: 'wasm-simd', threads: 4 }));
    expect(report).toMatchObject({ threads: 1, atomics: {}, workers: 0, calls: CASES.length, callsBetweenTicks: CASES.length });
    expect(report.reasons.join(' ')).toMatch(/main thread .* Web Worker/);
    expect(differences(report.digests, await inNode('simd', 1))).toEqual([]);
    expect(await page.evaluate(() => window.kernels.askForThreadsOnMainThread())).toMatch(/ConfigError.*threads need shared memory and a thread that may sleep/);
  });

  it('loaded kernels and their threads are idle between calls', async () => {
    // Six targets are loaded by now, two of them with a second thread.
    const main = await mainThreadSeconds(), all = await rendererSeconds();
    await rest();
    expect((await mainThreadSeconds()) - main).toBeLessThan(IDLE_CPU_SECONDS);
    expect((await rendererSeconds()) - all).toBeLessThan(IDLE_CPU_SECONDS);
    // The measure sees a loop that does not sleep.
    const before = await mainThreadSeconds(), beforeAllProcesses = await rendererSeconds();
    await page.evaluate(() => window.kernels.spin(300_000_000));
    expect((await mainThreadSeconds()) - before).toBeGreaterThan(IDLE_CPU_SECONDS);
    expect((await rendererSeconds()) - beforeAllProcesses).toBeGreaterThan(IDLE_CPU_SECONDS);
  });

  it('nothing failed or was printed as an error on the page', () => {
    expect(faults).toEqual([]);
  });
});
