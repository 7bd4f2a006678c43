/** Slope of log(time) over log(length), least squares: 1 is linear, 2 quadratic. Null with fewer than two lengths. */
export function growthExponent(points: readonly { readonly L: number; readonly milliseconds: number | null }[]): number | null {
  const known = points.flatMap(({ L, milliseconds }) => (milliseconds === null ? [] : [[Math.log(L), Math.log(milliseconds)] as const]));
  if (known.length < 2) return null;
  const meanX = known.reduce((sum, [x]) => sum + x, 0) / known.length, meanY = known.reduce((sum, [, y]) => sum + y, 0) / known.length;
  const covariance = known.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0), variance = known.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return covariance / variance;
}
