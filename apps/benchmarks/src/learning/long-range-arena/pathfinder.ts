import type { Random } from '@mamba360/ssm/random';

/** Sizes of a picture, in pixels. */
export interface PathfinderOptions {
  readonly window: number;
  readonly padding: number;
  /** Between the beginnings of the two long paths. */
  readonly seedDistance: number;
  /** Dashes of a long path. */
  readonly contourLength: number;
  readonly dashLength: number;
  readonly dashThickness: number;
  /** Gap between dashes, and free space around them. */
  readonly margin: number;
  /** Largest turn from dash to dash, radians. */
  readonly continuity: number;
  readonly markerRadius: number;
  /** Short paths that lead nowhere, and their dashes. */
  readonly distractors: number;
  readonly distractorLength: number;
}

/** Hard set of the Long Range Arena: contours of 14 dashes; distractors of 14 / 3 dashes. */
export const PATHFINDER_32: PathfinderOptions = { window: 32, padding: 1, seedDistance: 7, contourLength: 14, dashLength: 2, dashThickness: 0.5, margin: 1, continuity: 1, markerRadius: 1.5, distractors: 5, distractorLength: 4 };
export const PATHFINDER_128: PathfinderOptions = { window: 128, padding: 1, seedDistance: 20, contourLength: 14, dashLength: 5, dashThickness: 1.5, margin: 2, continuity: 1.8, markerRadius: 3, distractors: 8, distractorLength: 4 };

interface Point { readonly x: number; readonly y: number }
export interface Dash { readonly from: Point; readonly to: Point; readonly angle: number }

export interface PathfinderPicture {
  /** [window x window], from 0 to 1, row by row. */
  readonly pixels: Float32Array;
  /** 1 where one path joins the two markers. */
  readonly label: 0 | 1;
  /** The two long paths, then the distractors. */
  readonly paths: readonly (readonly Dash[])[];
  readonly markers: readonly [Point, Point];
}

const along = (from: Point, angle: number, length: number): Point => ({ x: from.x + length * Math.cos(angle), y: from.y + length * Math.sin(angle) });

/** Distance of a point from a dash. */
export function distanceTo({ from, to }: Pick<Dash, 'from' | 'to'>, { x, y }: Point): number {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const square = dx * dx + dy * dy;
  const share = square === 0 ? 0 : Math.max(0, Math.min(1, ((x - from.x) * dx + (y - from.y) * dy) / square));
  return Math.hypot(x - from.x - share * dx, y - from.y - share * dy);
}

/** Beyond this many pixels a lower bound of a distance is enough: no margin is wider. */
const FAR = 4;

/** Smallest distance of two dashes that do not cross; their samples lie closer than half a pixel. */
export function gapBetween(a: Dash, b: Dash): number {
  let least = Infinity;
  // Most dashes are far apart, and a lower bound says so.
  const apart = Math.hypot((a.from.x + a.to.x - b.from.x - b.to.x) / 2, (a.from.y + a.to.y - b.from.y - b.to.y) / 2);
  const reach = (Math.hypot(a.to.x - a.from.x, a.to.y - a.from.y) + Math.hypot(b.to.x - b.from.x, b.to.y - b.from.y)) / 2;
  if (apart > reach + FAR) return apart - reach;
  for (let index = 0; index <= 8; index++) {
    const share = index / 8;
    const point = (dash: Dash): Point => ({ x: dash.from.x + share * (dash.to.x - dash.from.x), y: dash.from.y + share * (dash.to.y - dash.from.y) });
    least = Math.min(least, distanceTo(a, point(b)), distanceTo(b, point(a)));
  }
  return least;
}

/** A dash may be placed where it is inside the frame and keeps its distance from all others but the one it continues. */
function fits(dash: Dash, others: readonly Dash[], before: Dash | undefined, { window, padding, margin, dashThickness }: PathfinderOptions): boolean {
  const inside = [dash.from, dash.to].every(({ x, y }) => x >= padding && y >= padding && x <= window - 1 - padding && y <= window - 1 - padding);
  return inside && others.every((other) => other === before || gapBetween(dash, other) >= margin + dashThickness / 2);
}

/** Continues a path by one dash, turned by at most `continuity`; undefined when there is no room. */
function extended(random: Random, last: Dash, taken: readonly Dash[], options: PathfinderOptions): Dash | undefined {
  for (let trial = 0; trial < 20; trial++) {
    const angle = last.angle + (2 * random.next() - 1) * options.continuity;
    const from = along(last.to, angle, options.margin);
    const dash = { from, to: along(from, angle, options.dashLength), angle };
    if (fits(dash, taken, last, options)) return dash;
  }
  return undefined;
}

function firstDash(random: Random, from: Point, taken: readonly Dash[], options: PathfinderOptions): Dash | undefined {
  for (let trial = 0; trial < 20; trial++) {
    const angle = 2 * Math.PI * random.next();
    const dash = { from, to: along(from, angle, options.dashLength), angle };
    if (fits(dash, taken, undefined, options)) return dash;
  }
  return undefined;
}

/** Two long paths that grow in turns from neighbouring beginnings; undefined when one finds no room. */
function twoPaths(random: Random, options: PathfinderOptions): Dash[][] | undefined {
  const { window, seedDistance, contourLength } = options;
  const start: Point = { x: window * random.next(), y: window * random.next() };
  const first = firstDash(random, start, [], options);
  const second = first && firstDash(random, along(start, 2 * Math.PI * random.next(), seedDistance), [first], options);
  if (!first || !second) return undefined;
  const paths = [[first], [second]];
  for (let count = 1; count < contourLength; count++) {
    for (const path of paths) {
      const dash = extended(random, path.at(-1)!, paths.flat(), options);
      if (!dash) return undefined;
      path.push(dash);
    }
  }
  return paths;
}

function distractor(random: Random, taken: readonly Dash[], options: PathfinderOptions): Dash[] | undefined {
  const first = firstDash(random, { x: options.window * random.next(), y: options.window * random.next() }, taken, options);
  if (!first) return undefined;
  const path = [first];
  while (path.length < options.distractorLength) {
    const dash = extended(random, path.at(-1)!, [...taken, ...path], options);
    if (!dash) return undefined;
    path.push(dash);
  }
  return path;
}

/** Coverage of a shape with a soft edge; full in its middle, however thin. */
const covered = (distance: number, radius: number): number => Math.max(0, Math.min(1, (radius + 0.5 - distance) / Math.min(1, radius + 0.5)));

function draw(paths: readonly (readonly Dash[])[], markers: readonly Point[], { window, dashThickness, markerRadius }: PathfinderOptions): Float32Array {
  const pixels = new Float32Array(window * window);
  const paint = (around: readonly Point[], reach: number, shade: (point: Point) => number): void => {
    const [xs, ys] = [around.map(({ x }) => x), around.map(({ y }) => y)];
    for (let y = Math.max(0, Math.floor(Math.min(...ys) - reach)); y <= Math.min(window - 1, Math.ceil(Math.max(...ys) + reach)); y++) {
      for (let x = Math.max(0, Math.floor(Math.min(...xs) - reach)); x <= Math.min(window - 1, Math.ceil(Math.max(...xs) + reach)); x++) pixels[y * window + x] = Math.max(pixels[y * window + x]!, shade({ x, y }));
    }
  };
  for (const dash of paths.flat()) paint([dash.from, dash.to], dashThickness + 1, (point) => 0.75 * covered(distanceTo(dash, point), dashThickness / 2));
  for (const marker of markers) paint([marker], markerRadius + 1, ({ x, y }) => covered(Math.hypot(x - marker.x, y - marker.y), markerRadius));
  return pixels;
}

/**
 * A picture with two long dashed paths and short ones between, and a round marker at two ends of long paths: of one path (label 1) or of both (0).
 *
 * @see Linsley et al. 2018, arXiv 1805.08315; sizes as in google-research/long-range-arena, lra_benchmarks/data/pathfinder.py.
 * @remarks Our own drawing by those sizes, in continuous coordinates: alike in kind, not in pixels, to the published files. Their single stray dashes are left out.
 */
export function pathfinderPicture(random: Random, options: PathfinderOptions): PathfinderPicture {
  const label = random.integer(2) as 0 | 1;
  let long: Dash[][] | undefined;
  while (!long) long = twoPaths(random, options);
  const paths = [...long];
  for (let trial = 0; trial < 10 * options.distractors && paths.length < 2 + options.distractors; trial++) {
    const path = distractor(random, paths.flat(), options);
    if (path) paths.push(path);
  }
  const [first, second] = long as [Dash[], Dash[]];
  const which = random.integer(2) === 0 ? [first, second] as const : [second, first] as const;
  const markers: [Point, Point] = [which[0][0]!.from, (label === 1 ? which[0] : which[1]).at(-1)!.to];
  return { pixels: draw(paths, markers, options), label, paths, markers };
}
