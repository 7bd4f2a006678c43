/** Machine-readable cause of an error; `docs/guide/errors.md` lists them with the way out. */
export type ErrorCode =
  | 'shape' | 'config' | 'backend' | 'kernel' | 'gradient' | 'state' | 'aborted' | 'data' | 'file' | 'memory' | 'not-finite' | 'dependency';

const MARKER = Symbol.for('mamba360.error');

/**
 * Base of every error this project throws. The message is one paragraph: what, got, expected, way out.
 * `isInstance` also recognises errors of a second copy of the package (a symbol marks them, not the class).
 */
export class SsmError extends Error {
  readonly code: ErrorCode;
  readonly [MARKER] = true;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }

  static isInstance(value: unknown): value is SsmError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[MARKER] === true;
  }
}

/** A tensor has another shape than the operation needs. */
export class ShapeError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('shape', message, options); }
}

/** An option or configuration value is unknown, out of range or contradicts another. */
export class ConfigError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('config', message, options); }
}

/** The active backend cannot do what was asked; the message names backends that can. */
export class BackendError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('backend', message, options); }
}

/** A compiled kernel could not be loaded, trapped, or its worker pool is poisoned. */
export class KernelError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('kernel', message, options); }
}

/** A gradient was asked for that is not defined, such as a second-order gradient of a scan. */
export class GradientError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('gradient', message, options); }
}

/** A saved or passed state belongs to another model, configuration or format version. */
export class StateError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('state', message, options); }
}

/** The caller's `signal` stopped the work. */
export class AbortedError extends SsmError {
  constructor(message = 'The operation was aborted by its signal.', options?: { cause?: unknown }) { super('aborted', message, options); }
}

/** The user's data cannot be used as it is; the message names the row, column or series and the fix. */
export class DataError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('data', message, options); }
}

/** A file is missing, unreadable, truncated, corrupt or hostile. */
export class FileError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('file', message, options); }
}

/** The work needs more memory than there is; the message says needed, available and the way out. */
export class MemoryError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('memory', message, options); }
}

/** A loss, gradient or parameter became NaN or infinite; the message says step, layer and tensor. */
export class NotFiniteError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('not-finite', message, options); }
}

/** An optional package is not installed; the message holds the install line. */
export class DependencyError extends SsmError {
  constructor(message: string, options?: { cause?: unknown }) { super('dependency', message, options); }
}
