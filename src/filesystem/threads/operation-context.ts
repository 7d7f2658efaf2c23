// The context that an operation gets in addition to its arguments.

export interface OperationContext {
  /**
   * Call it before each step that may wait for the file system: a call that makes steps is not stuck. Throws when the
   * caller gave up.
   */
  step(): void;
  /** Sends a part of a long result before the result itself. */
  emit(part: unknown): void;
}
