import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { backendMatrix } from '@mamba360/testing';
import { useBackend } from '@mamba360/ssm/backend';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { reportAsJson, reportAsText, verify } from './index.ts';

/** Golden cases that travel with the ops, for clones without the shared folder. */
const OPS = resolve(import.meta.dirname, '../../../../packages/ssm/src/ops');
const LAYERS = resolve(import.meta.dirname, '../../../../packages/ssm/src/layers');
const MODELS = resolve(import.meta.dirname, '../../../../packages/ssm/src/models/rwkv');
/** Cases of sizes that the official golden set lacks. */
const OWN = resolve(import.meta.dirname, '__golden__');
const SCAN = join(OPS, 'selective-scan/__golden__');

const backends = await backendMatrix(useBackend);

describe.each(backends)('golden cases of the repository on %s', (name) => {
  it.each(['auto', 'wasm-simd'] as const)('pass with kernels %s', async (kernels) => {
    for (const [folder, least] of [[OPS, 18], [LAYERS, 3], [MODELS, 4], [OWN, 3]] as const) {
      const { cases, summary } = await verify({ folder, backends: [name], kernels });
      expect(cases.filter((item) => item.status !== 'pass')).toEqual([]);
      expect(summary.pass).toBeGreaterThanOrEqual(least);
    }
  });
});

describe('a folder with faults', () => {
  let folder = '';
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'mamba360-golden-')); });
  afterEach(() => rmSync(folder, { recursive: true }));

  const good = 'length2_plain';
  const text = (name = good): string => readFileSync(join(SCAN, `${name}.json`), 'utf8');
  const put = (name: string, json: string | null, tensors: Uint8Array | null = readFileSync(join(SCAN, `${good}.safetensors`))): void => {
    if (json !== null) writeFileSync(join(folder, `${name}.json`), json);
    if (tensors) writeFileSync(join(folder, `${name}.safetensors`), tensors);
  };
  const changed = (change: (description: Record<string, never>) => void): string => {
    const description = JSON.parse(text()) as Record<string, never>;
    change(description);
    return JSON.stringify(description);
  };
  const reasonOf = async (): Promise<string | undefined> => {
    const { cases, summary } = await verify({ folder, backends: ['cpu'] });
    expect(summary).toMatchObject({ pass: 0, fail: 1, unsupported: 0 });
    expect(cases[0]!.worst).toEqual({ tensor: null, error: null });
    return cases[0]!.reason;
  };

  it('fails a case whose numbers are off, and says which tensor', async () => {
    const tensors = Buffer.from(readFileSync(join(SCAN, `${good}.safetensors`)));
    const header = Number(tensors.readBigUInt64LE(0));
    const entries = JSON.parse(tensors.subarray(8, 8 + header).toString()) as Record<string, { data_offsets: [number, number] }>;
    const at = 8 + header + entries['grad_A.f64']!.data_offsets[0];
    tensors.writeDoubleLE(tensors.readDoubleLE(at) + 0.01, at);
    put('case', text(), tensors);
    const report = await verify({ folder, backends: ['cpu'] });
    expect(report.cases[0]).toMatchObject({ status: 'fail', worst: { tensor: 'grad_A' } });
    expect(report.cases[0]!.worst.error).toBeGreaterThan(1e-4);
    expect(reportAsText(report)).toMatch(/^fail {8}cpu {8}selective_scan\/length2_plain {2}worst grad_A: absolute \S+, relative \S+, bound 1\.0e-4/);
  });

  const poisoned = (value: number): Uint8Array => {
    const tensors = Buffer.from(readFileSync(join(SCAN, `${good}.safetensors`)));
    const header = Number(tensors.readBigUInt64LE(0));
    const entries = JSON.parse(tensors.subarray(8, 8 + header).toString()) as Record<string, { data_offsets: [number, number] }>;
    tensors.writeDoubleLE(value, 8 + header + entries['out.f64']!.data_offsets[0]);
    return tensors;
  };

  it.each([Number.NaN, Infinity])('fails a case that expects %d where we have a number', async (value) => {
    put('case', text(), poisoned(value));
    const report = await verify({ folder, backends: ['cpu'] });
    expect(report.cases[0]).toMatchObject({ status: 'fail', worst: { tensor: 'out', error: null } });
    expect(JSON.parse(reportAsJson(report)).cases[0].reason).toContain('out');
  });

  const headed = (header: unknown): Uint8Array => {
    const bytes = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    return Buffer.concat([length, bytes]);
  };

  it('knows what it can run by what the case holds, whatever its name', async () => {
    const copy = (from: string, to: string): void => {
      put(to, readFileSync(`${from}.json`, 'utf8').replace(/"case": ?"[^"]*"/, `"case": "${to}"`), readFileSync(`${from}.safetensors`));
    };
    copy(join(OPS, 'rms-norm/__golden__/gated_rmsnorm_z1_before0_group4'), 'norm');
    copy(join(OWN, 'mamba1_D2_N2_w1_e2_bias'), 'block');
    expect((await verify({ folder, backends: ['cpu'] })).summary).toMatchObject({ pass: 2, fail: 0, unsupported: 0 });
    for (const [name, missing] of [['norm', 'x'], ['block', 'A_log']] as const) {
      const description = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as { inputs: Record<string, unknown>; params: unknown };
      delete description.inputs[missing];
      put(name, JSON.stringify({ ...description, params: {} }), null);
    }
    expect((await verify({ folder, backends: ['cpu'] })).summary).toMatchObject({ pass: 0, fail: 2, unsupported: 0 });
  });

  it.each([
    ['no tensors', () => put('case', text(), null), 'case.safetensors is missing'],
    ['no description', () => put('case', null), 'case.json is missing'],
    ['broken JSON', () => put('case', '{'), 'malformed description: '],
    ['no family', () => put('case', changed((d) => delete d['family'])), "malformed description: the description has no 'family'"],
    ['shapes that are none', () => put('case', changed((d) => { (d as Record<string, unknown>)['inputs'] = { u: 'big' }; })), "malformed description: 'inputs' is not an object of shapes"],
    ['an empty file of tensors', () => put('case', text(), new Uint8Array(0)), 'the file has 0 bytes'],
    ['a header longer than the file', () => put('case', text(), new Uint8Array(16).fill(255)), 'the header claims'],
    ['a truncated file', () => put('case', text(), readFileSync(join(SCAN, `${good}.safetensors`)).subarray(0, 2500)), 'bytes, its offsets are'],
    ['another shape than described', () => put('case', changed((d) => { (d['inputs'] as Record<string, unknown>)['u'] = [2, 4, 3]; })), 'tensor u has shape [2, 4, 2] in the file, expected [2, 4, 3]'],
    ['an output that no file holds', () => put('case', changed((d) => { (d['outputs'] as Record<string, unknown>)['grad_z'] = [2, 4, 2]; })), 'no tensor grad_z'],
    ['params that are none', () => put('case', changed((d) => { (d as Record<string, unknown>)['params'] = 'many'; })), "malformed description: 'params' is not an object"],
    ['a header entry that is none', () => put('case', text(), headed({ u: null })), 'tensor u has no valid entry in the header'],
    ['no outputs', () => put('case', changed((d) => { (d as Record<string, unknown>)['outputs'] = {}; })), 'the case describes no outputs'],
    ['sizes that contradict each other', () => put('case', text('batch1_dim1_state1'), readFileSync(join(SCAN, `${good}.safetensors`))), 'expected'],
  ] as [string, () => void, string][])('fails: %s', async (_label, make, reason) => {
    make();
    expect(await reasonOf()).toContain(reason);
  });

  it('calls a family without an adapter unsupported, and takes only the families asked for', async () => {
    put('case', text());
    put('other', changed((d) => { (d as Record<string, unknown>)['family'] = 'kernel_of_nobody'; (d as Record<string, unknown>)['case'] = 'other'; }));
    const report = await verify({ folder, backends: ['cpu'] });
    expect(report.summary).toMatchObject({ pass: 1, fail: 0, unsupported: 1 });
    expect(JSON.parse(reportAsJson(report))).toMatchObject({ cases: [{ case: good, status: 'pass' }, { family: 'kernel_of_nobody', case: 'other', backend: 'cpu', status: 'unsupported', worst: { tensor: null, error: null } }] });
    expect((await verify({ folder, backends: ['cpu'], families: ['selective_scan'] })).cases).toHaveLength(1);
    await expect(verify({ folder, families: ['mamba9'] })).rejects.toThrowErrorMatchingInlineSnapshot(`[ConfigError: verify: family mamba9 was asked for, expected one of kernel_of_nobody, selective_scan. Leave it out to run all.]`);
  });

  it('runs what is there: without gradients, without options, in folders of any depth', async () => {
    put('case', changed((d) => {
      for (const name of Object.keys(d['outputs'])) if (name.startsWith('grad_')) delete d['outputs'][name];
      delete d['inputs']['dout'];
      for (const field of ['notes', 'tolerance', 'single_precision_reference_gap', 'complex', 'magnitude']) delete d[field];
    }));
    const { cases } = await verify({ folder: join(folder, '..', folder.split('/').at(-1)!), backends: ['cpu'] });
    expect(cases[0]).toMatchObject({ status: 'pass' });
    expect(cases[0]!.tensors!.map((tensor) => tensor.name)).toEqual(['out', 'last_state']);
  });

  it('refuses a folder that holds nothing, and one that is none', async () => {
    await expect(verify({ folder })).rejects.toThrow('holds no golden case');
    await expect(verify({ folder: join(folder, 'nowhere') })).rejects.toThrow('is not a folder');
    copyFileSync(join(SCAN, `${good}.json`), join(folder, 'config.json'));
    await expect(verify({ folder })).rejects.toThrow('holds no golden case');
  });
});
