export {
  AbortedError, BackendError, ConfigError, DataError, DependencyError, FileError, GradientError, KernelError, MemoryError, NotFiniteError,
  ShapeError, SsmError, StateError,
} from './ssm-error.ts';
export type { ErrorCode } from './ssm-error.ts';
