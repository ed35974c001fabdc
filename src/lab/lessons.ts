/** What to learn, way by way. */

/** A paragraph for each way that was run; nothing is said, nor computed, of one that was not. */
export function lessonsOf<Name extends string>(
  of: (way: Name) => readonly unknown[],
  lessons: Readonly<Record<Name, () => string>>,
): readonly string[] {
  const isName = (name: string): name is Name => Object.hasOwn(lessons, name)
  return Object.keys(lessons)
    .filter(isName)
    .flatMap(name => (of(name).length === 0 ? [] : [lessons[name]()]))
}
