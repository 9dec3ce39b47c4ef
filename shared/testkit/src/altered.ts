/** An object with some of its methods changed. A spread would lose the methods of a class. */
export const altered = <Whole extends object>(whole: Whole, changed: Partial<Whole>): Whole =>
  new Proxy(whole, {
    get: (target, name): unknown => {
      const value: unknown = Reflect.get(Object.hasOwn(changed, name) ? changed : target, name);
      // Private fields are those of the object itself.
      return typeof value === 'function'
        ? (...args: unknown[]): unknown => Reflect.apply(value, target, args)
        : value;
    },
  });
