/** Who is typing, in a line that is always there so that nothing jumps. */
export const TypingLine = ({ typists }: { readonly typists: readonly string[] }) => {
  const [first, second, ...more] = typists;
  return (
    <p className="typing" aria-live="polite">
      {first !== undefined && <bdi>{first}</bdi>}
      {first !== undefined && second === undefined && ' is typing…'}
      {second !== undefined && (
        <>
          {' and '}
          {more.length === 0 ? <bdi>{second}</bdi> : `${more.length + 1} others`}
          {' are typing…'}
        </>
      )}
    </p>
  );
};
