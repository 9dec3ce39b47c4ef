/** Who is typing, in a line that is always there so that nothing jumps. */
export const TypingLine = ({ typists }: { readonly typists: readonly string[] }) => {
  const [first, second, ...more] = typists;
  const words =
    first === undefined
      ? ''
      : second === undefined
        ? `${first} is typing…`
        : `${first} and ${more.length === 0 ? second : `${more.length + 1} others`} are typing…`;
  return (
    <p className="typing" aria-live="polite">
      {words}
    </p>
  );
};
