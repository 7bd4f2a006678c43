import { describe, expect, test } from 'vitest';
import { MAXIMUM_BYTES, checkCards } from './check-cards.ts';
import { classOf, reddest } from './classes.ts';

const CARD = 'packages/time-series/weights/model-card.json';
const WEIGHTS = 'packages/time-series/weights/weights.safetensors';

const card = {
  model: 'mamba-forecaster',
  class: 'green',
  weights: [{ file: 'weights.safetensors', bytes: 1000 }],
  data: [{ name: 'beijing-pm25', licence: 'CC-BY-4.0', class: 'green' }],
  recipe: 'Windows of 96 steps.',
  command: 'node train.ts',
  seed: 1,
  metrics: [{ data: 'beijing-pm25', metric: 'MASE', value: 0.9 }],
  baselines: [{ name: 'naive', data: 'beijing-pm25', metric: 'MASE', value: 1 }],
  parameters: 500,
};

function messages(change: object, files: Record<string, number> = {}): string[] {
  const sizes: Record<string, number> = { [CARD]: 1, [WEIGHTS]: 1000, ...files };
  return checkCards({
    files: Object.keys(sizes),
    read: () => JSON.stringify({ ...card, ...change }),
    bytes: (path) => sizes[path]!,
  }).map(({ message }) => message);
}

test('an honest card passes', () => {
  expect(messages({})).toEqual([]);
});

describe('a card fails', () => {
  test.each([
    ['without a class', { class: undefined }, 'class: Invalid key: Expected "class" but received undefined'],
    ['without baselines', { baselines: [] }, 'baselines: Invalid length: Expected >=1 but received 0'],
    ['with a red licence', { class: 'red', data: [{ name: 'x', licence: 'CC-BY-NC-4.0', class: 'red' }] }, 'has a red input, so no weights may ship'],
    [
      'with an unknown licence',
      { data: [{ name: 'x', licence: 'Strange-1.0', class: 'green' }] },
      'data x (Strange-1.0) is called green, and the table says red',
    ],
    [
      'with a data set read as red',
      { data: [{ name: 'etth1', licence: 'CC-BY-4.0', class: 'green' }] },
      'data etth1 (CC-BY-4.0) is called green, and the table says red',
    ],
    [
      'with a lighter class than its data',
      { data: [{ name: 'mnist', licence: 'CC-BY-SA-3.0', class: 'amber' }] },
      'class is green, and its reddest input is amber',
    ],
    ['with another size', { weights: [{ file: 'weights.safetensors', bytes: 5 }] }, 'says weights.safetensors has 5 bytes, and it has 1000'],
  ])('%s', (_, change, message) => {
    expect(messages(change)).toContain(message);
  });

  test('amber without the licence beside it', () => {
    const amber = { class: 'amber', data: [{ name: 'mnist', licence: 'CC-BY-SA-3.0', class: 'amber' }] };
    expect(messages(amber)).toEqual(['is amber, so the text of its licence must lie beside it as LICENSE']);
    expect(messages(amber, { 'packages/time-series/weights/LICENSE': 1 })).toEqual([]);
  });
});

test('weights fail without a card, and above the limit of a package', () => {
  expect(messages({}, { 'packages/audio/weights.gguf': 5 })).toEqual(['is described by no model-card.json']);
  const large = { weights: [{ file: 'weights.safetensors', bytes: MAXIMUM_BYTES + 1 }] };
  expect(messages(large, { [WEIGHTS]: MAXIMUM_BYTES + 1 })[0]).toContain('more than 4194304');
});

test('a licence that is not in the table is red, and the reddest wins', () => {
  expect(classOf('Strange-1.0')).toBe('red');
  expect(classOf('apache-2.0')).toBe('green');
  expect(reddest(['green', 'amber', 'green'])).toBe('amber');
});
