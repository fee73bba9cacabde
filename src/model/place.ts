// From live paths to where they are read in an image.

/** What is left of `path` below `top` (`` for `top` itself, else with a leading slash); undefined where it lies elsewhere. */
export function restBelow(top: string, path: string): string | undefined {
  if (path === top) return '';
  if (top === '/') return path.startsWith('/') ? path : undefined;
  return path.startsWith(`${top}/`) ? path.slice(top.length) : undefined;
}

export const joined = (top: string, rest: string): string => (top === '/' ? rest || '/' : top + rest);

/** A path as it was planned for, and what it is without links on the way. */
export interface Planned {
  readonly path: string;
  readonly canonical: string;
}

/** All below `top` (without links) is found at `image`. */
export interface Imaged {
  readonly top: string;
  readonly image: string;
}

/** Of what was planned, what is found in which image. */
export interface Places {
  readonly planned: readonly Planned[];
  readonly images: readonly Imaged[];
}

/** `path` has to be one that was planned for, or below one; the deepest image that has it is taken. */
export function placing({ planned, images }: Places): (path: string) => string {
  const roots = [...planned].sort((a, b) => b.path.length - a.path.length);
  const deepestFirst = [...images].sort((a, b) => b.top.length - a.top.length);
  return (path) => {
    for (const root of roots) {
      const rest = restBelow(root.path, path);
      if (rest === undefined) continue;
      const canonical = joined(root.canonical, rest);
      for (const { top, image } of deepestFirst) {
        const inside = restBelow(top, canonical);
        if (inside !== undefined) return joined(image, inside);
      }
    }
    throw new Error(`no image was planned of ${path}`);
  };
}
