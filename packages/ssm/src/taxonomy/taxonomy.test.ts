import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../errors/index.ts';
import { mixers } from '../models/index.ts';
import { capabilitiesOf, memberNamed, MEMBERS, paperAddress, statusOf, SURVEY_TREE, surveyNodeOf } from './index.ts';

const path = (file: string): string => fileURLToPath(new URL(`../../../../${file}`, import.meta.url));
const nodes = SURVEY_TREE.flatMap(({ nodes }) => nodes);
/** Stands for no model. */
const CONTROL = 'identity';

describe('the members', () => {
  it('are those of the issue, each once', () => {
    const keys = MEMBERS.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toEqual([
      'hippo', 'lssl', 's4', 'dss', 's4d', 's4nd', 's5', 'liquid-s4', 'ldstack', 'h3', 'hyena', 'sgconv', 'long-conv', 'ckconv', 'flashfftconv',
      'gss', 'bigs', 'mega', 'mega-chunk', 'tnn', 'mamba', 'mamba2', 'mamba3',
      'rnn', 'lstm', 'gru', 'lru', 'rwkv4', 'rwkv5', 'rwkv6', 'rwkv7', 'hgrn', 'hgrn2', 'retnet', 'gla', 'rg-lru', 'mlstm', 'slstm', 'delta-net', 'gated-delta-net', 'mingru', 'minlstm', 'ltc',
      'moe-mamba', 'blackmamba', 'mambaformer', 'mambabyte', 'densemamba', 'jamba', 'bidirectional', 'multi-directional', 'transformer-decoder', 'transformer-encoder',
    ]);
  });

  it.each(MEMBERS.filter((member) => statusOf(member, mixers()) === 'implemented'))('$key is built, and its file is there', ({ implementation }) => {
    expect(existsSync(path(implementation.file)), implementation.file).toBe(true);
  });

  it('none without a mixer is called planned when its file is there', () => {
    expect(MEMBERS.filter(({ status, implementation }) => status === 'planned' && existsSync(path(implementation.file))).map(({ key }) => key)).toEqual([]);
  });

  it('list every mixer of the registry, each once', () => {
    const listed = MEMBERS.flatMap(({ implementation: { mixer, variants = [] } }) => (mixer === undefined ? [] : [mixer, ...variants]));
    expect(new Set(listed).size).toBe(listed.length);
    expect(mixers().map(({ name }) => name).filter((name) => !listed.includes(name) && name !== CONTROL)).toEqual([]);
  });

  it('say what they promise: the registry where a mixer is, else the data', () => {
    for (const member of MEMBERS) {
      expect(member.capabilities === undefined, member.key).toBe(member.implementation.mixer !== undefined);
      expect(member.status === undefined, member.key).toBe(member.implementation.mixer !== undefined);
      if (statusOf(member, mixers()) === 'implemented') expect(capabilitiesOf(member, mixers()), member.key).toMatchObject({ state: expect.stringMatching(/^(constant|growing|none)$/) });
    }
    expect(capabilitiesOf(memberNamed('mamba'), mixers())).toEqual({ state: 'constant', causal: true, runtime: false });
    expect(capabilitiesOf(memberNamed('mamba'), [])).toBeNull();
  });

  it('have no state exactly where the design allows it', () => {
    const stateless = MEMBERS.filter((member) => capabilitiesOf(member, mixers())?.state === 'none').map(({ key }) => key);
    expect(stateless.filter((key) => !['s4nd', 'bigs', 'bidirectional', 'multi-directional', 'transformer-encoder'].includes(key))).toEqual([]);
  });

  it('are found by key, name and alias in any spelling', () => {
    expect(memberNamed('Mamba-2').key).toBe('mamba2');
    expect(memberNamed('s6').key).toBe('mamba');
    expect(memberNamed('LD-Stack').key).toBe('ldstack');
    expect(() => memberNamed('mambo')).toThrow(ConfigError);
    for (const member of MEMBERS) expect(memberNamed(member.key)).toBe(member);
    // No alias leads away from the member that bears it, and no two members share a spelling.
    for (const member of MEMBERS) for (const alias of [member.name, ...member.aliases]) expect(memberNamed(alias).key, alias).toBe(member.key);
  });

  it('have complete facts', () => {
    for (const { key, equation, cost, paper, year } of MEMBERS) {
      expect(key).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
      for (const text of [equation, cost.training, cost.step, paper.title, paper.id]) expect(text.trim(), key).not.toBe('');
      expect(year).toBeGreaterThanOrEqual(1990);
      const [, first] = /^arXiv (\d\d)\d\d\./.exec(paper.id) ?? [];
      if (first !== undefined) expect(2000 + Number(first), key).toBe(key === 'tnn' ? 2023 : year);
    }
    expect(paperAddress('arXiv 2312.00752')).toBe('https://arxiv.org/abs/2312.00752');
    expect(paperAddress('Elman 1990')).toBeUndefined();
  });
});

describe("the survey's tree", () => {
  it('has its 22 models in its four branches, under its names', () => {
    expect(SURVEY_TREE.map(({ name, nodes: below }) => [name, below.length])).toEqual([['Structured SSMs', 12], ['Gated SSMs', 4], ['Recurrent SSMs', 3], ['Misc. SSMs', 3]]);
    expect(nodes.map(({ name }) => name)).toEqual([
      'HiPPO', 'S4', 'S5', 'Liquid-S4', 'S4nD', 'DSS', 'LD-Stack', 'H3', 'Hyena', 'SG-Conv', 'Long Conv', 'FlashFFTConv',
      'Mamba', 'GSS', 'Mega', 'TNN', 'RWKV', 'LRU', 'HGRN', 'Mamba-MoE', 'MambaFormer', 'Mamba-Byte',
    ]);
  });

  it('leads to members that know the name, and its arrows start at nodes or branches', () => {
    const starts = new Set([...nodes.map(({ name }) => name), ...SURVEY_TREE.map(({ name }) => name)]);
    for (const { name, member, from } of nodes) {
      expect(memberNamed(name).key, name).toBe(member);
      for (const start of from) expect(starts.has(start), start).toBe(true);
    }
    expect(surveyNodeOf('dss')?.from).toEqual(['S4']);
    expect(surveyNodeOf('gla')).toBeUndefined();
  });
});
