package main

import (
	"fmt"
	"strings"
)

// windowsName is the name of the service.
const windowsName = "bodkin"

// windowsAccount is one that may do no more than an ordinary user.
const windowsAccount = `NT AUTHORITY\LocalService`

// windowsHome is what that account finds as its home, and others but administrators cannot read.
const windowsHome = `C:\Windows\ServiceProfiles\LocalService\AppData\Roaming\bodkin`

func windowsArgs(home string) []string { return []string{"--home", home, "up", "--wait"} }

// windowsService describes the service for Windows, which keeps no file of it: its text is the commands that make the same.
func windowsService(program string) systemService {
	return systemService{
		program: program, home: windowsHome,
		text: fmt.Sprintf("sc.exe create %s binPath= \"\\\"%s\\\" %s\" start= delayed-auto obj= \"%s\"\r\nsc.exe failure %s reset= 3600 actions= restart/5000\r\n",
			windowsName, program, strings.Join(windowsArgs(windowsHome), " "), windowsAccount, windowsName),
		hint: fmt.Sprintf("it runs once it has joined a room: bodkin --home %s join -, then: sc.exe start %s", windowsHome, windowsName),
	}
}
