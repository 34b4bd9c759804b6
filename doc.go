// Package bodkin gives two machines behind NATs a direct TCP connection.
package bodkin
