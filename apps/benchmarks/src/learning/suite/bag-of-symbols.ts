import type { TaskBatch, TestSet } from './task.ts';

interface Counted { readonly counts: Float64Array; readonly target: number }

/** Each sequence as shares of its symbols, with its one answer. */
function countSymbols({ batch, length, inputs, targets, lengths }: TaskBatch, vocabSize: number): Counted[] {
  return Array.from({ length: batch }, (_, row) => {
    const steps = lengths?.[row] ?? length;
    const counts = new Float64Array(vocabSize + 1);
    for (let step = 0; step < steps; step++) counts[inputs[row * length + step]!]! += 1 / steps;
    counts[vocabSize] = 1;
    const answers = targets.length === batch ? [targets[row]!] : [...targets.subarray(row * length, (row + 1) * length)].filter((target) => target >= 0);
    return { counts, target: answers.at(-1)! };
  });
}

async function countAll({ batches, batch }: TestSet, vocabSize: number): Promise<Counted[]> {
  const all: Counted[] = [];
  for (let index = 0; index < batches; index++) all.push(...countSymbols(await batch(index), vocabSize));
  return all;
}

/**
 * What can be known without order: the most frequent class, and a linear softmax classifier on shares of symbols, trained by plain gradient descent.
 *
 * @returns Accuracies on the test set.
 */
export async function bagOfSymbols({ vocabSize, classes, train, test }: { vocabSize: number; classes: number; train: TestSet; test: TestSet }): Promise<{ majority: number; 'bag of symbols': number }> {
  const [known, asked] = [await countAll(train, vocabSize), await countAll(test, vocabSize)];
  const totals = new Float64Array(classes);
  for (const { target } of known) totals[target]! += 1;
  const majority = totals.indexOf(Math.max(...totals));
  const weights = Array.from({ length: classes }, () => new Float64Array(vocabSize + 1));
  const scores = (counts: Float64Array): number[] => weights.map((row) => row.reduce((sum, weight, symbol) => sum + weight * counts[symbol]!, 0));
  for (let epoch = 0; epoch < 30; epoch++) {
    const rate = 2 / (1 + epoch / 5);
    for (const { counts, target } of known) {
      const raw = scores(counts);
      const highest = Math.max(...raw);
      const powers = raw.map((score) => Math.exp(score - highest));
      const total = powers.reduce((a, b) => a + b, 0);
      weights.forEach((row, index) => {
        const slope = powers[index]! / total - (index === target ? 1 : 0);
        for (let symbol = 0; symbol < row.length; symbol++) row[symbol]! -= rate * slope * counts[symbol]!;
      });
    }
  }
  const right = (guess: (counts: Float64Array) => number): number => asked.filter(({ counts, target }) => guess(counts) === target).length / asked.length;
  return { majority: right(() => majority), 'bag of symbols': right((counts) => { const said = scores(counts); return said.indexOf(Math.max(...said)); }) };
}
