/** What strangers wrote, if it can be read; else it is told, and does not hide what others wrote. */
export const readable = <Value>(read: () => Value, onInvalid: (error: Error) => void): Value | undefined => {
  try {
    return read();
  } catch (error) {
    onInvalid(error as Error);
    return undefined;
  }
};
