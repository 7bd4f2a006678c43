import { table } from '../frame/table.ts';
import type { Examination } from './examine.ts';

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

/** The examination for a person. */
export function renderExamination({ version, node, backends, automatic, kernels, advice }: Examination): string {
  const rows = backends.map((finding) => [
    finding.name,
    finding.available ? 'works' : 'not available',
    finding.precision ?? '-',
    finding.kernels === null ? '-' : `${finding.kernels.target} (${finding.kernels.instructionSet})`,
    finding.kernels === null ? '-' : String(finding.kernels.threads),
    finding.name === automatic ? 'taken by auto' : '',
  ]);
  const active = kernels === null ? 'none' : `${kernels.target}, ${kernels.instructionSet}, ${plural(kernels.threads, 'thread')}`;
  return [
    `mamba360 ${version}, Node ${node.version}${node.supported ? '' : ' (too old)'}, ${node.platform}, ${plural(node.processors, 'processor')}`,
    '',
    table(['backend', 'state', 'precision', 'kernels', 'threads', ''], rows),
    '',
    `Kernel target: ${active}`,
    ...(advice.length === 0 ? ['Nothing better is to be had on this machine.'] : ['', 'What would be better:', ...advice.map((line) => `- ${line}`)]),
  ].join('\n');
}
