import { readFile } from 'node:fs/promises';
import { readGoldenTensors } from './read-safetensors.ts';
import type { GoldenTensor } from './read-safetensors.ts';

/** What the JSON of a case says; fields a family does not use may be missing. */
export interface GoldenDescription {
  readonly family: string;
  readonly case: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly complex: readonly string[];
  readonly also_f64: readonly string[];
  readonly notes?: string;
  readonly tolerance?: { readonly f32?: { readonly rtol: number; readonly atol: number } };
  readonly single_precision_reference_gap?: Readonly<Record<string, number>>;
}

/** Values of one name; `shape` leaves out the trailing axis of re, im where `complex` is true. */
export interface GoldenValue {
  readonly shape: readonly number[];
  readonly complex: boolean;
  readonly values: Float32Array | Float64Array;
}

const isShapes = (value: unknown): value is Record<string, number[]> =>
  typeof value === 'object' && value !== null && Object.values(value).every((shape) => Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0));

const isNames = (value: unknown): value is string[] => Array.isArray(value) && value.every((name) => typeof name === 'string');

/** Checks the JSON of a case. Throws an Error that says which field is wrong. */
export function parseDescription(text: string): GoldenDescription {
  const value = JSON.parse(text) as Record<string, unknown>;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('the description is not an object');
  if (typeof value['family'] !== 'string') throw new Error("the description has no 'family'");
  if (typeof value['case'] !== 'string') throw new Error("the description has no 'case'");
  const params = value['params'] ?? {};
  if (typeof params !== 'object' || Array.isArray(params)) throw new Error("'params' is not an object");
  for (const field of ['inputs', 'outputs']) if (!isShapes(value[field] ?? {})) throw new Error(`'${field}' is not an object of shapes`);
  for (const field of ['complex', 'also_f64']) if (!isNames(value[field] ?? [])) throw new Error(`'${field}' is not a list of names`);
  return { ...value, params, inputs: value['inputs'] ?? {}, outputs: value['outputs'] ?? {}, complex: value['complex'] ?? [], also_f64: value['also_f64'] ?? [] } as unknown as GoldenDescription;
}

/** The folder of a case with a whole model: its config.json, and the bytes of its model.safetensors. */
export interface GoldenModel { readonly config: Readonly<Record<string, unknown>>; readonly weights: Uint8Array }

async function readModel(folder: string): Promise<GoldenModel | null> {
  const text = await readFile(`${folder}/config.json`, 'utf8').catch(() => null);
  if (text === null) return null;
  return { config: JSON.parse(text) as Record<string, unknown>, weights: new Uint8Array(await readFile(`${folder}/model.safetensors`)) };
}

/** One case with its tensors. The F64 copy of a name is taken where there is one, because that is what the outputs belong to. */
export class GoldenCase {
  readonly description: GoldenDescription;
  /** Of a case with a folder of its own name, else null. */
  readonly model: GoldenModel | null;
  private readonly tensors: ReadonlyMap<string, GoldenTensor>;

  constructor(description: GoldenDescription, tensors: ReadonlyMap<string, GoldenTensor>, model: GoldenModel | null = null) {
    this.description = description;
    this.tensors = tensors;
    this.model = model;
  }

  static async read(jsonPath: string): Promise<GoldenCase> {
    const description = parseDescription(await readFile(jsonPath, 'utf8'));
    const tensors = readGoldenTensors(await readFile(jsonPath.replace(/\.json$/, '.safetensors')));
    return new GoldenCase(description, tensors, await readModel(jsonPath.replace(/\.json$/, '')));
  }

  has(name: string): boolean {
    return name in this.description.inputs || name in this.description.outputs;
  }

  /** Throws where the file lacks the tensor or holds another shape than the description says. */
  value(name: string): GoldenValue {
    const { description } = this;
    const shape = description.inputs[name] ?? description.outputs[name];
    if (!shape) throw new Error(`the case has no tensor ${name}`);
    const tensor = (description.also_f64.includes(name) ? this.tensors.get(`${name}.f64`) : undefined) ?? this.tensors.get(name);
    if (!tensor) throw new Error(`the file has no tensor ${name}`);
    const complex = description.complex.includes(name);
    const stored = complex ? [...shape, 2] : shape;
    if (stored.join() !== tensor.shape.join()) {
      throw new Error(`tensor ${name} has shape [${tensor.shape.join(', ')}] in the file, expected [${stored.join(', ')}] from the description`);
    }
    return { shape, complex, values: tensor.values };
  }

  gap(name: string): number {
    return this.description.single_precision_reference_gap?.[name] ?? 0;
  }
}
