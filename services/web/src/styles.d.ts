/** Style sheets that are loaded with the part that needs them. */
declare module '*.css';
