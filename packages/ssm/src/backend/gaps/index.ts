export function fillGaps(_backend: string): void {}
