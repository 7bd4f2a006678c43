/** Text to token ids and back. */
export interface Tokenizer {
  readonly name: string;
  /** Ids below this may occur. */
  readonly vocabSize: number;
  encode(text: string): number[];
  /** Text of all ids at once; special tokens are left out. */
  decode(ids: readonly number[]): string;
  /** Text piece by piece: what is returned never has to be taken back, so half a character waits for its other half. */
  decoder(): TokenDecoder;
}

export interface TokenDecoder {
  push(id: number): string;
  /** What is still held back, with replacement characters for what never became one. */
  end(): string;
}
