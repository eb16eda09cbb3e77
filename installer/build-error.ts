// Why a package could not be built: said to whoever builds, in a sentence that says what to do.

export class BuildError extends Error {
  override readonly name = "BuildError";
}
