/** `make attacks` plays each attack for as long as its bar asks; `make test` plays a small one. */
export const isLong = process.env['ATTACKS'] === 'long';

/** @returns `long` under `make attacks`, else `small` */
export const sized = <Value>({
  small,
  long,
}: {
  readonly small: NoInfer<Value>;
  readonly long: Value;
}): Value => (isLong ? long : small);
