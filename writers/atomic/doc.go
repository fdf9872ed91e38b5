// Package atomic writes files that are whole or absent. A file is written beside its place under a temporary name,
// synced, closed and renamed, and then its folder is synced. No other code of graphscore renames files.
//
// A [Folder] is a directory below which files are staged, by names with slashes. A [File] is one of them on its way.
// [WriteFile] does the same for one file anywhere. Every step that changes the disk goes through a [Disk].
package atomic
