// What the build makes of files that are no script: style sheets are loaded with the screen, pictures become addresses.
declare module "*.css";
declare module "*.svg" {
  const url: string;
  // oxlint-disable-next-line import/no-default-export -- how the build gives a file's address
  export default url;
}
