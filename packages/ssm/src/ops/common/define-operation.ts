import type { GradConfig, KernelBackend, NamedAttrMap, NamedTensorMap, Tensor, TensorInfo } from '@tensorflow/tfjs';
import { KERNEL_BACKENDS } from '../../backend/kernel-registry.ts';
import { planMatchesSignature, runKernelPlan } from '../../backend/run-kernel-plan.ts';
import type { KernelPlan } from '../../backend/run-kernel-plan.ts';
import { tf } from '../../backend/tensorflow.ts';
import { GradientError, KernelError } from '../../errors/index.ts';

/** Tensors of one call by name; an optional one that was not given is missing. */
export type NamedInputs = Readonly<Record<string, TensorInfo | undefined>>;

/** An op, described: how its buffers map to a kernel call forward and backward. Everything about tfjs is in `defineOperation`. */
export interface OperationDefinition<Attributes> {
  readonly name: string;
  forward(inputs: NamedInputs, attributes: Attributes): KernelPlan;
  /**
   * `slopes` holds one gradient per forward output that was wanted, in order. `gradientOf` names the input that each wanted output of the
   * plan is the gradient of; every input that was given must be named.
   */
  backward?(inputs: NamedInputs, slopes: readonly TensorInfo[], attributes: Attributes): { plan: KernelPlan; gradientOf: readonly string[] };
}

export interface Operation<Attributes> {
  readonly name: string;
  /** Runs the op on the active backend, recorded for gradients. Returns the wanted outputs in order. */
  run(inputs: Readonly<Record<string, Tensor | undefined>>, attributes: Attributes): Tensor[];
  /** Registers kernels and gradients with tfjs, once. `run` does it by itself. */
  register(): void;
}

interface WrappedAttributes<Attributes> { readonly names: readonly string[]; readonly attributes: Attributes }

/** tfjs hands attributes back as it got them but types them narrowly; arrays of tensors as inputs are what its own Concat uses. */
const wrap = (value: object): NamedAttrMap => value as NamedAttrMap;
const asInputs = (tensors: readonly Tensor[]): NamedTensorMap => tensors as unknown as NamedTensorMap;

/**
 * An op whose kernels are functions of tensors: for what does not map one to one to a kernel call, such as parameters that are prepared in
 * float64 first. `backward` returns one gradient for each name of `gradientOf`.
 */
export interface KernelPairDefinition<Attributes> {
  readonly name: string;
  forward(where: Where, inputs: NamedInputs, attributes: Attributes): TensorInfo[];
  backward?(where: Where, inputs: NamedInputs, slopes: readonly TensorInfo[], attributes: Attributes): TensorInfo[];
  gradientOf?(inputs: NamedInputs, attributes: Attributes, slopes: readonly TensorInfo[]): readonly string[];
}

/** The backend a kernel was called on. */
export interface Where { readonly backendName: string; readonly backend: KernelBackend }

function check(plan: KernelPlan): KernelPlan {
  if (!planMatchesSignature(plan)) throw new KernelError(`${plan.kernel}: the plan differs from its signature. This is a mistake of @mamba360/ssm, please report it.`);
  return plan;
}

/**
 * Turns a description into a tfjs kernel with a registered gradient, on every backend that can run compiled kernels.
 *
 * Inputs go to tfjs as an array of the given ones (their names travel as attributes), because tfjs cannot save a missing optional input.
 * The gradient kernel writes all gradients in one run, at once and not when the first closure is asked; a gradient of it is refused.
 */
export function defineOperation<Attributes extends object>(definition: OperationDefinition<Attributes>): Operation<Attributes> {
  const { backward } = definition;
  return defineKernelPair<Attributes>({
    name: definition.name,
    forward: ({ backendName, backend }, inputs, attributes) => runKernelPlan(backendName, backend, check(definition.forward(inputs, attributes))),
    ...(backward && {
      backward: ({ backendName, backend }, inputs, slopes, attributes) => runKernelPlan(backendName, backend, check(backward(inputs, slopes, attributes).plan)),
      gradientOf: (inputs, attributes, slopes) => backward(inputs, slopes, attributes).gradientOf,
    }),
  });
}

/** `defineOperation` for kernels that are functions. */
export function defineKernelPair<Attributes extends object>(definition: KernelPairDefinition<Attributes>): Operation<Attributes> {
  const kernelName = `Mamba360${definition.name[0]!.toUpperCase()}${definition.name.slice(1)}`;
  const gradientName = `${kernelName}Gradient`;
  let registered = false;

  const named = (names: readonly string[], tensors: readonly TensorInfo[]): NamedInputs =>
    Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));

  function gradientConfig(gradientOf: NonNullable<KernelPairDefinition<Attributes>['gradientOf']>): GradConfig {
    return {
      kernelName,
      saveAllInputs: true,
      gradFunc: (slopes, saved, attrs) => {
        const { names, attributes } = attrs as unknown as WrappedAttributes<Attributes>;
        const dys = Array.isArray(slopes) ? slopes as Tensor[] : [slopes as Tensor];
        const order = gradientOf(named(names, saved), attributes, dys);
        const gradients = tf.engine().runKernel(gradientName, asInputs([...saved, ...dys]), attrs as NamedAttrMap) as Tensor[];
        return Object.fromEntries(names.map((name, i) => [i, () => gradients[order.indexOf(name)]!]));
      },
    };
  }

  function register(): void {
    if (registered) return;
    registered = true;
    const { backward, gradientOf } = definition;
    for (const backendName of KERNEL_BACKENDS) {
      const add = (name: string, run: (where: Where, tensors: readonly TensorInfo[], wrapped: WrappedAttributes<Attributes>) => TensorInfo[]): void => {
        if (tf.getKernel(name, backendName)) return;
        tf.registerKernel({
          kernelName: name, backendName,
          kernelFunc: ({ inputs, attrs, backend }) =>
            run({ backendName, backend: backend as KernelBackend }, inputs as unknown as TensorInfo[], attrs as unknown as WrappedAttributes<Attributes>),
        });
      };
      add(kernelName, (where, tensors, { names, attributes }) => definition.forward(where, named(names, tensors), attributes));
      if (backward) {
        add(gradientName, (where, tensors, { names, attributes }) =>
          backward(where, named(names, tensors.slice(0, names.length)), tensors.slice(names.length), attributes));
      }
    }
    if (backward && gradientOf && !tf.getGradient(kernelName)) {
      tf.registerGradient(gradientConfig(gradientOf));
      tf.registerGradient({
        kernelName: gradientName,
        gradFunc: () => {
          throw new GradientError(`${definition.name}: a gradient of its gradient was asked for, but only first-order gradients are defined. Take one gradient, or detach the inner one (tf.tensor of its values).`);
        },
      });
    }
  }

  return {
    name: definition.name,
    register,
    run(inputs, attributes) {
      register();
      const names = Object.keys(inputs).filter((name) => inputs[name] !== undefined);
      const tensors = names.map((name) => inputs[name]!);
      return tf.engine().runKernel(kernelName, asInputs(tensors), wrap({ names, attributes })) as Tensor[];
    },
  };
}
