/** Makes those calls of one method that `which` names wait until the returned function is called; default all. */
export const hold = <Part extends object>(
  part: Part,
  method: keyof Part,
  which: (...args: readonly unknown[]) => boolean = () => true,
): (() => void) => {
  const run = part[method] as (...args: unknown[]) => Promise<unknown>;
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  part[method] = (async (...args: unknown[]) => {
    if (which(...args)) await gate;
    return run(...args);
  }) as Part[keyof Part];
  return () => release();
};
