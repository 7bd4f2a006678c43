import { backendMatrix, BOUNDS } from '@mamba360/testing';
import { describe, expect, it } from 'vitest';
import { useBackend } from '../../backend/index.ts';
import { tf } from '../../backend/tensorflow.ts';
import { Identity, Mamba } from '../../layers/index.ts';
import type { SequenceLayer } from '../../layers/index.ts';
import { checkNewProcess, checkStateLaw, formatStateLaw, LAW_EXEMPTIONS, lawExempt, lawMembers } from './index.ts';
import type { LawMember, LawRow } from './index.ts';

const backends = await backendMatrix(useBackend);

const violations = (rows: readonly LawRow[]): LawRow[] => rows.filter(({ output, state, gradient }) =>
  !(output <= BOUNDS.output && state <= BOUNDS.state && (gradient === null || gradient <= BOUNDS.gradient)));

describe.each(backends)('the state law on %s', (backend) => {
  it.each(lawMembers())('$name', async (member) => {
    await useBackend(backend);
    const before = tf.memory().numTensors;
    const rows = await checkStateLaw(member, { seed: 1 });
    expect(rows).toHaveLength(11);
    expect(violations(rows)).toEqual([]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('every member, saved, process ended, restored, continued', { timeout: 120_000 }, async () => {
    await useBackend(backend);
    const rows = await checkNewProcess(backend, { seed: 2 });
    expect(rows.map(({ member }) => member)).toEqual(lawMembers().map(({ name }) => name));
    expect(violations(rows)).toEqual([]);
  });
});

it('exempts nothing but what the design exempts', () => {
  expect(lawExempt().filter((name) => !LAW_EXEMPTIONS.some((exemption) => exemption.test(name)))).toEqual([]);
});

describe('the battery itself', () => {
  const member = (name: string, create: LawMember['create']): LawMember => ({ ...lawMembers()[0], name, create });
  const failing = async (create: LawMember['create']): Promise<string[]> => {
    await useBackend('cpu');
    return violations(await checkStateLaw(member('broken', create))).map(({ property }) => property);
  };
  const mamba = (random: Parameters<LawMember['create']>[0]): Mamba => Mamba.create({ dModel: 6, dState: 4, dConv: 3 }, { random });

  it('finds a layer that forgets its state', async () => {
    const found = await failing((random) => {
      const layer = mamba(random);
      const apply = layer.apply.bind(layer);
      layer.apply = (x, { state: _state, ...options } = {}) => apply(x, options);
      return layer as unknown as SequenceLayer;
    });
    expect(found).toEqual(expect.arrayContaining(['chunked', 'stepwise', 'rewound', 'saved, restored']));
  });

  it('finds a layer whose padding leaks, and one whose segments leak', async () => {
    const without = (key: 'lengths' | 'mask' | 'segments') => (random: Parameters<LawMember['create']>[0]): SequenceLayer => {
      const layer = mamba(random);
      const apply = layer.apply.bind(layer);
      layer.apply = (x, options = {}) => {
        const { [key]: _left, previousSegments, ...rest } = options;
        return apply(x, key === 'segments' ? rest : { ...rest, ...(previousSegments && { previousSegments }) });
      };
      return layer as unknown as SequenceLayer;
    };
    expect(await failing(without('lengths'))).toEqual(['right padded']);
    expect(await failing(without('mask'))).toEqual(['left padded', 'masked anywhere']);
    expect(await failing(without('segments'))).toEqual(['packed']);
  });

  it('finds a step whose gradient is cut, though its values are right', async () => {
    const found = await failing((random) => {
      const layer = mamba(random);
      const step = layer.step.bind(layer);
      layer.step = (x, state) => step(x, { ...state, ssm: tf.tidy(() => tf.tensor(state.ssm.dataSync(), state.ssm.shape)) });
      return layer as unknown as SequenceLayer;
    });
    // This step also reads a disposed state before it looks at it.
    expect(found).toEqual(['stepwise', 'state is a value']);
  });

  it('finds a NaN', async () => {
    const found = await failing(() => {
      const layer = new Identity({ dModel: 6 });
      layer.step = (x) => ({ output: tf.mul(x, NaN), state: {} });
      return layer as unknown as SequenceLayer;
    });
    // And it takes any state.
    expect(found).toEqual(['stepwise', 'state is a value']);
  });

  it('finds a state that is no value', async () => {
    await useBackend('cpu');
    const broken = async (create: LawMember['create']): Promise<string | undefined> =>
      (await checkStateLaw(member('broken', create))).find(({ property }) => property === 'state is a value')?.worst;
    expect(await broken((random) => {
      const layer = mamba(random);
      const apply = layer.apply.bind(layer);
      layer.apply = (x, options = {}) => {
        const { ssm, convolution } = options.state ?? {};
        return apply(x, { ...options, ...(ssm && convolution && { state: { ssm, convolution: tf.slice(convolution, [0, 0, 0], [x.shape[0], -1, -1]) } }) });
      };
      return layer as unknown as SequenceLayer;
    })).toBe('apply takes a state with one part more');
    expect(await broken((random) => Object.defineProperty(mamba(random), 'capabilities', { value: { state: 'growing', causal: true, runtime: false } }) as unknown as SequenceLayer))
      .toBe('the state grows, and no maximum length is declared');
    expect(await broken((random) => Object.defineProperty(mamba(random), 'capabilities', { value: { state: 'growing', maximumLength: 40, causal: true, runtime: false } }) as unknown as SequenceLayer))
      .toBe('apply takes 41 steps, more than the declared 40');
  });

  it('prints members x properties', async () => {
    await useBackend('cpu');
    expect(formatStateLaw(await checkStateLaw(lawMembers().find(({ name }) => name === 'identity')!))).toMatchInlineSnapshot(`
      "values gradients  full, again  chunked  stepwise  batched  right padded  left padded  masked anywhere  packed  rewound  saved, restored  state is a value
      identity          0 0          0 0      0 0       0 0      0 0           0 0          0 0              0 0     0 0      0                0"
    `);
  });
});
