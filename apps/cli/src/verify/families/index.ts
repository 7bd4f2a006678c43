import { blockMambaFamily } from './block-mamba.ts';
import { blockRetnetFamily } from './block-retnet.ts';
import { blockXlstmFamily } from './block-xlstm.ts';
import { blockLsslFamily } from './block-lssl.ts';
import { blockS4Family } from './block-s4.ts';
import { causalConv1dFamily } from './causal-conv1d.ts';
import type { Family } from './family.ts';
import { blockGssFamily } from './block-gss.ts';
import { blockH3Family, kernelH3Family } from './h3.ts';
import { kernelLongConvFamily, kernelSgConvFamily } from './global-convolution.ts';
import { hfModelsFamily } from './hf-models.ts';
import { hippoFamily } from './hippo.ts';
import { blockHyenaFamily, kernelHyenaFamily } from './hyena.ts';
import { kernelDssFamily } from './kernel-dss.ts';
import { kernelS4Family } from './kernel-s4.ts';
import { kernelS4ndFamily } from './kernel-s4nd.ts';
import { linearRecurrenceFamily } from './linear-recurrence.ts';
import { mamba3Family } from './mamba3.ts';
import { mambaSsmModelsFamily } from './mamba-ssm-models.ts';
import { modelRwkvFamily } from './model-rwkv.ts';
import { selectiveScanFamily } from './selective-scan.ts';
import { selectiveStateUpdateFamily } from './selective-state-update.ts';
import { blockS5Family, kernelS5Family } from './s5.ts';
import { blockMegaFamily, kernelEmaFamily, megaEmaFamily } from './mega.ts';
import { kernelLruFamily } from './kernel-lru.ts';
import { blockGriffinFamily } from './block-griffin.ts';
import { ssdFamily } from './ssd.ts';

/** Every family that has an adapter. A new family is a file here and a line in this list. */
export const FAMILIES: ReadonlyMap<string, Family> = new Map([
  blockGriffinFamily,
  kernelLruFamily,
  blockMegaFamily,
  kernelEmaFamily,
  megaEmaFamily,
  blockS5Family,
  kernelS5Family,
  blockGssFamily,
  blockH3Family,
  blockHyenaFamily,
  blockLsslFamily,
  blockMambaFamily,
  blockRetnetFamily,
  blockS4Family,
  blockXlstmFamily,
  causalConv1dFamily,
  hfModelsFamily,
  hippoFamily,
  kernelDssFamily,
  kernelH3Family,
  kernelHyenaFamily,
  kernelLongConvFamily,
  kernelS4Family,
  kernelS4ndFamily,
  kernelSgConvFamily,
  linearRecurrenceFamily,
  mamba3Family,
  mambaSsmModelsFamily,
  modelRwkvFamily,
  selectiveScanFamily,
  selectiveStateUpdateFamily,
  ssdFamily,
].map((family) => [family.name, family]));
