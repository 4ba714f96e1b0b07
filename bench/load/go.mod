module toolhive/bench/load

go 1.19
