module plugline/examples/users

go 1.22
