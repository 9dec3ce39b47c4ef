/**
 * What `promise` comes to, if it does so in time.
 * @throws Error with `late` after `ms`; `promise` may still fail then, without anybody hearing of it
 */
export const within = async <Result>(ms: number, promise: Promise<Result>, late: string): Promise<Result> => {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(late)), ms);
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
};
